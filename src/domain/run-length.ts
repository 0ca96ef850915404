import { limits } from '../contract/index.js';

/**
 * How urgent it is for a run to continue as new: `soon` when it is long, or another build of the code is the town's,
 * and it should happen as soon as nothing is in the way; `now` when waiting for long work would come near to the
 * server's own limits (51,200 events, 10,000 signals).
 */
export type RunLength = 'fine' | 'soon' | 'now';

/** The first distance, and the longest: a run that lives goes on in a new one within seconds. */
const [firstAsk, longestAsk] = [1_000, 5 * 60_000];

/**
 * @returns in how many milliseconds a run is asked again that took no more signals.
 * @param tried how often it was.
 * @param chance from 0 to 1: thousands that were refused in one moment must not come back in one moment.
 */
export const askAgainIn = (tried: number, chance: number): number =>
  Math.round(Math.min(firstAsk * 2 ** (tried - 1), longestAsk) * (0.5 + chance / 2));

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
