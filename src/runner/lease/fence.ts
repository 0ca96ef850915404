import { isFinal } from '../../contract/index.js';
import type { BeadView, BeatDetails, Clocks } from '../../contract/index.js';
import type { BeadLink, Delivery } from './bead-link.js';
import { elapsed } from '../instant.js';
import type { Instant } from '../instant.js';
import type { Time } from '../time.js';
import { beatDeadline, lookEvery } from './lease.js';
import type { Lease } from './lease.js';
import type { SpawnOutcome } from '../types.js';
import type { Waker } from '../waker.js';

export type FenceRefusal = Extract<SpawnOutcome, { fenced: false }>;

export interface FenceOptions {
  link: BeadLink;
  time: Time;
  clocks: Clocks;
  attempt: string;
  host: string;
  /** The token in use; an adoption may replace it while the fence waits. */
  token(): Uint8Array;
  /** Details of a beat in phase `spawning`. */
  details(): BeatDetails;
  /** Resolves when the agent can be spawned at once: nobody claims an attempt before. @throws what hinders it. */
  ready?: Promise<unknown> | undefined;
  /** Sends the `start` signal, which claims the attempt for this host. */
  claim(): Promise<Delivery>;
  /** Whether the host wants the agent to stand still: then it is not even spawned. */
  paused(): boolean;
  /** Set when the host has asked for a stop meanwhile. */
  stopped(): string | undefined;
  /** Ends the sleep between two tries when any of these changes. */
  waker: Waker;
}

const refuse = (because: FenceRefusal['because'], refused: string): FenceRefusal => ({
  fenced: false,
  because,
  refused,
});

/**
 * @returns why this host must not spawn the attempt's agent, by the bead's own state after the claim; `wait` while the
 * bead is paused.
 */
export function claimProblem(
  view: BeadView,
  { attempt, host }: { attempt: string; host: string },
): FenceRefusal | 'wait' | undefined {
  if (isFinal(view.status) || view.current?.id !== attempt)
    return refuse('bead', 'the bead has moved on to another attempt or has ended');
  if (view.current.stopping !== undefined)
    return refuse('bead', `the attempt is being stopped: ${view.current.stopping.reason}`);
  if (view.current.host !== host)
    return refuse('bead', `another host has claimed the attempt: ${view.current.host ?? 'unknown'}`);
  return view.paused || view.current.pausedByActivity ? 'wait' : undefined;
}

/**
 * How long a runner tries to reach a server or a bead that does not answer. Less than `heartbeatTimeout`: its host has
 * sent the last beat, and can only say why there is no agent while the token is good. A bead that never hears it asks
 * for one adoption after the other.
 */
export const fencePatience = ({ heartbeatTimeout }: Pick<Clocks, 'heartbeatTimeout'>): number =>
  Math.round((2 / 3) * heartbeatTimeout);

/**
 * @returns whether an agent may be spawned under a lease at this moment: whoever has stood still since that was renewed
 * starts nothing, since nobody may count on it any more.
 */
export const maySpawn = (
  lease: Lease,
  now: Instant,
  { leaseFor, heartbeatTimeout }: Pick<Clocks, 'leaseFor' | 'heartbeatTimeout'>,
): boolean => elapsed(lease.renewedAt, now) < Math.min(leaseFor, heartbeatTimeout);

/**
 * What must be true before an agent is spawned, in this order: one accepted beat, one accepted `start` signal, the
 * bead's own word that the claim stands, and a lease that is still young. A worker or runner that was frozen before any
 * of these starts nothing.
 *
 * Waits while somebody has paused the attempt. A server or a bead that does not answer is tried for
 * {@link fencePatience}.
 */
export async function passFence(options: FenceOptions): Promise<{ lease: Lease } | FenceRefusal> {
  const { link, time, clocks, attempt, host, waker } = options;
  /** The token in use when the bead took the claim. */
  let claimedBy: Uint8Array | undefined;
  let goodAt = time.now();
  const patience = fencePatience(clocks);
  const left = (): number => patience - elapsed(goodAt, time.now());
  const tryEvery = Math.min(lookEvery(clocks), clocks.heartbeatTimeout / 4);
  for (; ; await waker.sleep(tryEvery)) {
    const stopped = options.stopped();
    if (stopped !== undefined) return refuse('bead', `stopped before the agent was spawned: ${stopped}`);
    const sentAt = time.now();
    const token = options.token();
    const answer = await link.beat(token, options.details(), Math.min(beatDeadline(clocks), Math.max(left(), 1_000)));
    switch (answer) {
      case 'refused':
        return refuse('token', 'the task token is not valid any more');
      case 'cancelled':
        return refuse('cancelled', 'the activity was cancelled before the agent was spawned');
      case 'paused':
        goodAt = sentAt;
        continue;
      case 'unreachable':
        if (left() <= tryEvery) return refuse('unreachable', `no beat was accepted within ${patience} ms`);
        continue;
      case 'recorded':
        break;
    }
    await options.ready;
    // A bead that has taken the claim counts only signs of the attempt itself: an adoption that finds it waiting here,
    // for the end of a pause, is answered by claiming again. Otherwise the bead would give the attempt up.
    const adopted = claimedBy !== undefined && claimedBy !== token;
    if (options.paused() && !adopted) {
      goodAt = sentAt;
      continue;
    }
    const claim: Delivery = claimedBy === token ? 'delivered' : await options.claim();
    if (claim === 'ended') return refuse('bead', 'the bead has ended');
    if (claim === 'delivered') claimedBy = token;
    const view = claimedBy === token ? await link.view() : 'unreachable';
    if (view === 'ended') return refuse('bead', 'the bead has ended');
    if (view === 'unreachable') {
      if (left() <= tryEvery) return refuse('unreachable', `the bead did not answer within ${patience} ms`);
      continue;
    }
    goodAt = sentAt;
    const problem = claimProblem(view, { attempt, host });
    if (problem === 'wait') continue;
    if (problem !== undefined) return problem;
    const lease = { renewedAt: sentAt };
    if (maySpawn(lease, time.now(), clocks) && options.stopped() === undefined && !options.paused()) return { lease };
  }
}
