import type { AttemptDir } from './attempt-dir.js';

/** What a supervisor needs of the folder of its attempt: `AttemptDir` on a host. */
export type AttemptFiles = Pick<
  AttemptDir,
  'bead' | 'attempt' | 'writeToken' | 'writeConnection' | 'writeReport' | 'writeResult' | 'exists'
>;
