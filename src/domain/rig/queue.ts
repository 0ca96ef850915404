/** Who comes first: for grants, and for merges. @module */
import { mergedBy } from '../../contract/index.js';
import type { QueuedMerge, RigState, GrantRequest } from '../../contract/index.js';

const hour = 60 * 60_000;
/** So many pull requests may be watched at once; the forge merges them, so they do not wait for each other. */
const pullRequestsAtOnce = 20;

const compare = (a: number | string, b: number | string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Grants go by priority, then age. The name decides between twins, so that a replay decides alike. */
export const byGrantOrder = (a: GrantRequest, b: GrantRequest): number =>
  compare(a.priority, b.priority) || compare(a.since, b.since) || compare(a.bead, b.bead);

/** Puts a request into its place among others, which are in order. Sorting thousands for each signal takes too long. */
export function insertRequest(waiting: GrantRequest[], request: GrantRequest): void {
  let [from, to] = [0, waiting.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const other = waiting[middle];
    if (other !== undefined && byGrantOrder(other, request) <= 0) from = middle + 1;
    else to = middle;
  }
  waiting.splice(from, 0, request);
}

/**
 * A merge that waits gets more urgent: every full hour in the queue counts as one level of priority. So the last
 * becomes the first after at most four hours, and nothing starves behind a stream of urgent work.
 */
export const agedPriority = ({ priority, queuedAt }: Pick<QueuedMerge, 'priority' | 'queuedAt'>, now: number): number =>
  Math.max(priority - Math.floor(Math.max(now - queuedAt, 0) / hour), 1);

/** Merges go by aged priority, then age. */
export const byMergeOrder =
  (now: number) =>
  (a: QueuedMerge, b: QueuedMerge): number =>
    compare(agedPriority(a, now), agedPriority(b, now)) || compare(a.since, b.since) || compare(a.item, b.item);

/** An unnamed target is the remote's default branch, which may be any of the others: it goes alone. */
const sameTarget = (a: string, b: string): boolean => a === b || a === '' || b === '';

/**
 * @returns the merges that may begin now, best first: one at a time per target. What stands aside does not keep others
 * from going ahead.
 */
export function readyMerges(s: RigState, now: number): QueuedMerge[] {
  if (s.paused || s.removed) return [];
  const due = [...s.queue]
    .sort(byMergeOrder(now))
    .filter(({ notBefore }) => notBefore === undefined || notBefore <= now);
  const local = s.merging.filter(({ strategy }) => mergedBy(strategy) !== 'forge');
  if (mergedBy(s.settings.strategy) === 'forge')
    return due.slice(0, Math.max(pullRequestsAtOnce - (s.merging.length - local.length), 0));
  const taken = local.map(({ target }) => target);
  return due.filter(({ target }) => {
    const free = !taken.some((other) => sameTarget(other, target));
    // A better one that cannot begin yet keeps its target for itself.
    taken.push(target);
    return free;
  });
}
