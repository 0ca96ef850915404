import { attemptNumber } from '../../contract/index.js';
import type { BeadState } from '../../contract/index.js';

/** What a closed bead has delivered, as far as it decides which refs it needs no more. */
export interface EndedBead {
  bead: string;
  /** The commit that it delivered, and the attempt that made it. */
  sha: string;
  attempt: string;
  /** The commit by which that is on its target; absent when nothing was merged. */
  mergedSha?: string | undefined;
  /** The branch it landed on; the default branch when absent. */
  target?: string | undefined;
  /** What earlier attempts had left when the next one took it up. */
  superseded: readonly { attempt: string; sha: string }[];
}

/**
 * @returns the end of a bead that has delivered something; undefined for one that has not ended, or was cancelled, or
 * has failed: what it leaves may be wanted yet.
 */
export function endedBead(state: BeadState): EndedBead | undefined {
  const { status, sha, branch, landing } = state;
  const attempt = branch?.split('/').at(-1);
  if (status !== 'closed' || sha === undefined || attempt === undefined) return undefined;
  const superseded = state.attempts
    .filter(({ id }) => attemptNumber(id) < attemptNumber(attempt))
    .flatMap((record) =>
      [record.sha, record.checkpoint?.sha]
        .filter((known) => known !== undefined)
        .map((known) => ({ attempt: record.id, sha: known })),
    );
  return {
    bead: state.bead,
    sha,
    attempt,
    mergedSha: landing?.mergedSha,
    target: landing?.target ?? state.base,
    superseded,
  };
}
