import type { BeadReport, BeadState } from '../../contract/index.js';

/** @returns what the convoy of a bead should know of it, or undefined for a bead without a convoy. */
export function reportOf(state: BeadState): BeadReport | undefined {
  if (state.convoy === undefined) return undefined;
  const mergedSha = state.landing?.mergedSha;
  return {
    bead: state.bead,
    status: state.status,
    reason:
      state.status === 'closed' ||
      state.status === 'blocked' ||
      state.status === 'failed' ||
      state.status === 'cancelled'
        ? state.reason
        : '',
    merged: mergedSha !== undefined,
    sha: mergedSha,
  };
}
