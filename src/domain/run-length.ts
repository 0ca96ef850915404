import { limits } from '../contract/index.js';

/**
 * How urgent it is for a run to continue as new: `soon` when it is long, or another build of the code is the town's,
 * and it should happen as soon as nothing is in the way; `now` when waiting for long work would come near to the
 * server's own limits (51,200 events, 10,000 signals).
 */
export type RunLength = 'fine' | 'soon' | 'now';

/** What a run knows of its length. */
export interface RunFacts {
  /** Events of its history. */
  events: number;
  /** The server's advice to continue as new. */
  suggested: boolean;
  /** The town has another build for it. */
  versionChanged: boolean;
  /** Signals taken by this run, of which the server gives no count. */
  signals: number;
}

/**
 * @param soonAt so many signals are many. Half of what a run may take leaves room for the merges that a rig waits for;
 * a bead waits for nothing, and takes all.
 */
export function runLength(
  { events, suggested, versionChanged, signals }: RunFacts,
  soonAt = limits.signalsPerRun / 2,
): RunLength {
  if (events > limits.historyEvents * 3 || signals > limits.signalsPerRun) return 'now';
  return versionChanged || suggested || events > limits.historyEvents || signals > soonAt ? 'soon' : 'fine';
}
