import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shellQuoted } from '../edge/shell-quoted.js';
import { compiledFile } from './compiled.js';

/** @returns the `heartbead` in such a folder. */
export const shimPath = (folder: string): string => join(folder, 'heartbead');

const refusal =
  'Heartbead pushes for you: commit your work, then run `heartbead agent done`. ' +
  '(A rig with --allow-push lets its agents push.)';

/** What `git push` asks in the repository of an attempt that must not push (`pushurl` of `createWorktree`). */
const refusingHelper = `#!/bin/sh\necho '${refusal}' >&2\nexit 1\n`;

/**
 * Makes a folder with a `heartbead` for the agent's PATH: of this very installation and this very Node, whatever else
 * the host has. A program of its own: it knows the verbs of agents alone, whatever an agent does to its environment.
 */
export async function writeShim(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const command = [process.execPath, compiledFile('programs/agent')].map(shellQuoted).join(' ');
  const script = `#!/bin/sh\nexec ${command} "$@"\n`;
  await writeFile(shimPath(folder), script, { mode: 0o700 });
  await writeFile(join(folder, 'git-remote-heartbead'), refusingHelper, { mode: 0o700 });
}
