/**
 * Rules that came after histories had been written, and how an earlier bead takes them up.
 * @module
 */
import { isFinal, phaseMayHaveAgent } from '../../contract/index.js';
import type { BeadState } from '../../contract/index.js';
import type { BeadEvent } from './events.js';
import { sharedCauseOf, toldToGoRound } from './landing.js';

/**
 * Only beats and signals of the attempt itself move the clock after which it is given up; a host's word of it does not.
 * @returns the event as this rule reads it, or undefined when it reads it as earlier versions did.
 */
function heardFromHostOnly(state: BeadState, event: BeadEvent): BeadEvent | undefined {
  const { current } = state;
  // Before the spawn the host's word is all there can be, and nobody's lease is at stake.
  if (current?.spawnedAt === undefined || isFinal(state.status)) return undefined;
  switch (event.type) {
    case 'accepted':
      return event.signal.attempt === current.id ? { ...event, byHost: true } : undefined;
    case 'unwatched':
      return event.attempt === current.id && current.unanswered === true ? { ...event, byHost: true } : undefined;
    case 'silent': {
      // Without a sign since the adoption was asked for, the host's own beats were the last ones.
      const own = event.details !== undefined && phaseMayHaveAgent(event.details.phase);
      return event.attempt === current.id && current.unanswered === true && !own
        ? { ...event, byHost: true }
        : undefined;
    }
    case 'heldElsewhere':
      return event.attempt === current.id ? { ...event, mayHaveBeaten: true } : undefined;
    default:
      return undefined;
  }
}

/**
 * A host that sends one runner after the other to the fence, none of which can say a word, must not be believed for
 * ever.
 * @returns the event as this rule reads it, or undefined when it makes no difference.
 */
function neverPastTheFence({ current, status }: BeadState, event: BeadEvent): BeadEvent | undefined {
  if (event.type !== 'silent' || event.details === undefined) return undefined;
  if (event.attempt !== current?.id || isFinal(status)) return undefined;
  const { phase } = event.details;
  // A runner claims the attempt by a signal before it spawns the agent: without one there is none.
  if (current.spawnedAt === undefined && phase === 'fencing') return { ...event, fenced: true };
  // One that has spoken may have claimed it since.
  if (current.fencedOutSince !== undefined && phaseMayHaveAgent(phase)) return { ...event, fenced: false };
  return phase === 'fencing' && current.unanswered === true ? { ...event, byHost: true } : undefined;
}

/** @returns whether finished commits wait for their host to push them, since the remote may take them later. */
const offersAgain = (event: BeadEvent): event is Extract<BeadEvent, { type: 'ended' | 'offered' }> =>
  event.type === 'offered'
    ? !event.answer.pushed && event.answer.mayPass
    : event.type === 'ended' && event.result.outcome === 'push_refused' && event.result.retryAfterMs !== undefined;

/** Rules that came after histories had been written: the patch of each, asked for where the rule makes a difference. */
export const laterRules = [
  'a-login-is-tried-again',
  'only-the-attempt-moves-its-clock',
  'an-outage-holds-its-suspicion',
  'a-word-of-the-host-is-no-agent',
  'only-landed-work-brings-starts-close',
  'a-cause-that-is-gone-forgives-nothing',
  'a-try-given-back-waits',
  'an-offer-of-commits-is-free',
] as const;
export type LaterRule = (typeof laterRules)[number];

/**
 * @param holds whether a rule holds for this bead; the workflow asks its history (`patched`).
 * @returns the event as the rules of today read it. Whoever applies events to a bead reads them by this.
 */
export function readByRules(state: BeadState, told: BeadEvent, holds: (rule: LaterRule) => boolean): BeadEvent {
  // Earlier runs asked a person at the first refusal.
  if (told.type === 'ended' && told.result.outcome === 'auth_failed' && holds('a-login-is-tried-again'))
    return { ...told, loginAgain: true };
  // In earlier runs a bead waited as long as the host said that gave it back, while another could have taken it.
  if (
    told.type === 'ended' &&
    told.result.outcome === 'declined' &&
    told.result.retryAfterMs !== undefined &&
    holds('a-try-given-back-waits')
  )
    return { ...told, spaced: true };
  // In earlier runs a used-up budget, or the pace of paid starts, held finished commits back.
  if (offersAgain(told) && holds('an-offer-of-commits-is-free')) return { ...told, freeOffer: true };
  // In earlier runs a suspicion that was told ahead of its outage left the outage in the agent's clocks.
  if (told.type === 'outage' && state.current?.suspectSince !== undefined && holds('an-outage-holds-its-suspicion'))
    return { ...told, suspected: true };
  // In earlier runs verified work let the next paid start follow at once, also when it did not land.
  if (
    told.type === 'mergeEnded' &&
    state.landing?.unlanded !== undefined &&
    toldToGoRound(state, told.ended) &&
    holds('only-landed-work-brings-starts-close')
  )
    return { ...told, spaced: true };
  // In earlier runs a bead that its rig let go on had fresh accounts, and its next paid start followed at once.
  if (
    told.type === 'causeGone' &&
    told.ordered !== true &&
    sharedCauseOf(state) !== undefined &&
    holds('a-cause-that-is-gone-forgives-nothing')
  )
    return { ...told, keeps: true };
  // In earlier runs a host's word at the fence counted as one of its runner.
  const fenced = neverPastTheFence(state, told);
  if (fenced !== undefined && holds('a-word-of-the-host-is-no-agent')) return fenced;
  // In earlier runs every word of a host moved the clock after which its attempt is given up.
  const strict = heardFromHostOnly(state, told);
  return strict !== undefined && holds('only-the-attempt-moves-its-clock') ? strict : told;
}

/**
 * @returns whether a loss to the infrastructure was recorded by this step. A bead of an earlier version takes up the
 * rule of `lossRule` at its first loss that is not in its history yet.
 */
export function lossRecorded(before: BeadState, after: BeadState): boolean {
  const last = after.attempts.at(-1);
  return last?.countedAs === 'infra' && last !== before.attempts.at(-1);
}

/** @returns whether what follows on the end of an attempt is another wait than by the rules that this bead has. */
export const waitsOtherwise = (old: BeadState, next: BeadState): boolean =>
  JSON.stringify(old.wait) !== JSON.stringify(next.wait);
