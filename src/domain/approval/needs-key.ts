/** Who has to approve, for those who only tell of it. @module */
import type { BeadState } from '../../contract/index.js';

/** @returns whether an approval of the bead has to be signed. */
export const needsKey = ({ landing }: Pick<BeadState, 'landing'>): boolean => (landing?.approvers?.length ?? 0) > 0;

/** @returns the command by which a person approves. */
export const approveCommand = (s: Pick<BeadState, 'bead' | 'landing'>): string =>
  `heartbead approve ${s.bead}${needsKey(s) ? ' --key FILE' : ''}`;

/** @returns why an approval of the bead without a signature is refused, or undefined. */
export const keyMissing = (s: Pick<BeadState, 'bead' | 'rig' | 'landing'>): string | undefined =>
  needsKey(s) ? `rig ${s.rig ?? ''} takes approvals by key only: ${approveCommand(s)}` : undefined;
