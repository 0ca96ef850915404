import type { Clocks } from '../../contract/index.js';
import { isFinal } from '../../contract/index.js';
import type { BeadView } from '../../contract/index.js';
import { elapsed } from '../instant.js';
import type { Instant } from '../instant.js';

/**
 * The right to let the agent run. `renewedAt` is when the request that renewed it was *sent*: the bead cannot count
 * from earlier.
 */
export interface Lease {
  renewedAt: Instant;
}

/**
 * @returns the lease after a renewal whose request was sent at `sentAt`; an answer that overtook a later one takes
 * nothing back.
 */
export const renewLease = (lease: Lease, sentAt: Instant): Lease =>
  sentAt.mono > lease.renewedAt.mono ? { renewedAt: sentAt } : lease;

/** @returns whether the agent must stand still: the bead may soon believe that nobody is there. */
export const leaseIsOver = (lease: Lease, now: Instant, { leaseFor }: Pick<Clocks, 'leaseFor'>): boolean =>
  elapsed(lease.renewedAt, now) >= leaseFor;

/** What the server said to a beat. */
export type BeatAnswer =
  /** All is well. */
  | 'recorded'
  /** Recorded, and an operator wants the activity to stand still. */
  | 'paused'
  /** Recorded, and the bead wants the attempt stopped. */
  | 'cancelled'
  /** The token is void: the activity timed out, was reset, or its workflow went on. */
  | 'refused'
  /** Nobody can tell: an outage, a partition, or the answer got lost. */
  | 'unreachable';

/** @returns whether a beat with this answer was recorded, which renews the lease. */
export const beatRenews = (answer: BeatAnswer): boolean =>
  answer === 'recorded' || answer === 'paused' || answer === 'cancelled';

/**
 * @returns how soon a runner asks again what nobody has answered, and how often it looks after things of its own host:
 * unlike a beat that gets through, neither costs anything.
 */
export const lookEvery = ({ beatEvery }: Pick<Clocks, 'beatEvery'>): number => Math.min(beatEvery, 10_000);

/**
 * @returns how long to wait for the answer to a beat: at most until the next beat is due, and at least 2 s, so that
 * tests with tiny clocks do not fail on a slow machine.
 */
export const beatDeadline = (clocks: Pick<Clocks, 'beatEvery'>): number => Math.max(lookEvery(clocks), 2_000);

/** @returns the distance of two beats, the first of which got this answer. */
export const nextBeatAfter = (answer: BeatAnswer, clocks: Pick<Clocks, 'beatEvery'>): number =>
  answer === 'unreachable' ? lookEvery(clocks) : clocks.beatEvery;

/** @returns how often an orphan asks for adoption and renews its lease by that: three tries fit into a lease. */
export const orphanEvery = ({ signalEvery, leaseFor }: Pick<Clocks, 'signalEvery' | 'leaseFor'>): number =>
  Math.min(signalEvery, leaseFor / 3);

/** What an orphan learns from its bead. */
export type OrphanVerdict =
  /** The bead counted the signal as a sign of life: the lease holds from when the first of the two looks was sent. */
  | 'renewed'
  /** The attempt is current, but the signal has not been counted. */
  | 'not_counted'
  /**
   * Another attempt is current, or none, or this one is being stopped, or the bead has ended: the agent has no business
   * here any more.
   */
  | 'moved_on';

/**
 * Judges by the bead's state before and after an `orphan` signal. Only the bead's own clock is compared with itself:
 * clocks of different machines may differ by more than a lease.
 */
export function judgeOrphan(before: BeadView, after: BeadView, attempt: string): OrphanVerdict {
  if (isFinal(after.status) || after.current?.id !== attempt || after.current.stopping !== undefined) return 'moved_on';
  if (before.current?.id !== attempt) return 'not_counted';
  return after.current.lastSignAt > before.current.lastSignAt ? 'renewed' : 'not_counted';
}
