/**
 * The life of a bead as a pure function of (state, event, now). The workflow feeds it events and carries out what the
 * state asks for; it never decides by itself.
 * @module
 */
import { isFinal } from '../../contract/index.js';
import type { BeadState, CurrentAttempt } from '../../contract/index.js';
import { AttemptRules } from './attempts.js';
import { BeadDraft } from './draft.js';
import type { BeadEvent } from './events.js';
import { sharedCauseOf, stepLanding } from './landing.js';
import { causeIsGone, OrderRules } from './orders.js';
import { WorkRules } from './work.js';

/**
 * One step of a bead's life.
 * @param state is never changed; the answer shares what did not change.
 * @param now milliseconds, of the workflow's clock.
 */
export function stepBead(state: BeadState, event: BeadEvent, now: number): BeadState {
  const draft: BeadState = {
    ...state,
    used: { ...state.used },
    attempts: state.attempts,
    messages: [...state.messages],
    notes: [...state.notes],
    story: [...state.story],
    current: state.current && { ...state.current },
    landing: state.landing && { ...state.landing },
  };
  new BeadStep(new BeadDraft(draft, now)).take(event);
  return draft;
}

/** Hands each event to those whose affair it is; status and agent status follow from the rest. */
class BeadStep {
  readonly #work: WorkRules;
  readonly #attempts: AttemptRules;
  readonly #orders: OrderRules;

  constructor(private readonly draft: BeadDraft) {
    this.#work = new WorkRules(draft);
    this.#attempts = new AttemptRules(draft, this.#work);
    this.#orders = new OrderRules(draft, this.#attempts);
  }

  take(event: BeadEvent): void {
    this.#apply(event);
    if (!isFinal(this.draft.s.status)) this.#derive();
  }

  #apply(event: BeadEvent): void {
    const { s } = this.draft;
    const over = isFinal(s.status);
    switch (event.type) {
      case 'heartbeat':
        return this.#attempts.heartbeat(event.signal);
      case 'accepted':
        return this.#attempts.accepted(event.signal, event.byHost === true);
      case 'note':
        return this.#attempts.note(event.note);
      case 'malformed':
        s.malformed += 1;
        return;
      case 'renewed':
        s.runs += 1;
        return;
      case 'cancel':
        if (!over) this.#orders.cancel();
        return;
      case 'pause':
        if (!over) this.#orders.pause();
        return;
      case 'resume':
        if (!over) this.#orders.resume();
        return;
      case 'retry':
        if (!over) this.#orders.retry(event.now, event);
        return;
      case 'nudge':
        if (over) return;
        s.messages.push(event.message);
        if (event.message.from === 'operator' && s.attention === 'escalation' && s.wait?.for !== 'person')
          delete s.attention;
        return;
      case 'dispatched':
        if (!over) this.#attempts.dispatched(event.attempt);
        return;
      case 'tick':
        if (!over) this.#attempts.tick();
        return;
      case 'outage':
        if (!over && s.current) this.#attempts.outage(s.current, event.ms, event.suspected === true);
        return;
      case 'evidence':
        if (!over) this.#work.evidence(event.evidence);
        return;
      case 'salvaged':
        if (!over) this.#work.salvaged(event.evidence);
        return;
      case 'offered':
        if (!over) this.#work.offered(event.answer, event.freeOffer);
        return;
      case 'silent':
        return this.#ofCurrent(event.attempt, (attempt) => this.#attempts.silent(attempt, event));
      case 'unreachable':
        return this.#ofCurrent(event.attempt, (attempt) => this.#attempts.unreachable(attempt, event.text));
      case 'unwatched':
        return this.#ofCurrent(event.attempt, (attempt) => this.#attempts.unwatched(attempt, event));
      case 'heldElsewhere':
        return this.#ofCurrent(event.attempt, (attempt) => {
          attempt.host = event.host;
          attempt.adopting = true;
          if (event.mayHaveBeaten === true) attempt.lastSignAt = this.draft.now;
        });
      case 'adopting':
        return this.#ofCurrent(event.attempt, (attempt) => {
          attempt.adoptions += 1;
          attempt.unanswered = true;
        });
      case 'ended':
        return this.#ofCurrent(event.result.attempt, (attempt) => this.#attempts.ended(attempt, event.result, event));
      case 'delivered':
        for (const id of event.messages) {
          const index = s.messages.findIndex((message) => message.id === id);
          const message = s.messages[index];
          if (message) s.messages[index] = { ...message, deliveredTo: event.attempt };
        }
        return;
      case 'pauseTold':
        return this.#ofCurrent(event.attempt, (attempt) => {
          attempt.pauseTold = event.paused;
        });
      case 'grantReturned':
        // Also after the end: an ended bead gives back what it held.
        if (s.landing) {
          s.landing.grant = 'none';
          delete s.landing.fruitless;
        }
        if (s.wait?.for === 'grant') delete s.wait;
        return;
      case 'causeGone':
        if (over || sharedCauseOf(s) === undefined) return;
        return event.keeps === true ? this.#orders.goOn() : this.#orders.again(causeIsGone);
      case 'askedGrant':
      case 'granted':
      case 'rigGone':
      case 'grantRefused':
      case 'enqueued':
      case 'withdrawTold':
      case 'mergeEnded':
      case 'approve':
      case 'requestChanges':
      case 'offeredAgain':
        if (!over && s.landing) stepLanding(this.draft, s.landing, event);
        else if (over && s.landing && event.type === 'rigGone') s.landing.grant = 'none';
        return;
      default:
        event satisfies never;
    }
  }

  /** Runs only for the attempt that owns the bead: what concerns another is a thing of the past. */
  #ofCurrent(attempt: string, run: (current: CurrentAttempt) => void): void {
    if (this.draft.s.current?.id === attempt && !isFinal(this.draft.s.status)) run(this.draft.s.current);
  }

  /** Status and agent status follow from the rest of the state; they are written here and nowhere else. */
  #derive(): void {
    const { s } = this.draft;
    const attempt = s.current;
    if (attempt === undefined) {
      s.agent = 'none';
      const reviewed = s.wait?.for === 'verification' || s.wait?.for === 'approval' || s.wait?.for === 'merge';
      s.status = s.wait?.for === 'person' ? 'blocked' : reviewed ? 'in_review' : 'open';
      if (s.paused && s.status === 'open') s.reason = 'paused by an operator; no attempt starts until it is resumed';
      return;
    }
    s.status = attempt.acceptedAt === undefined ? 'open' : 'in_progress';
    if (attempt.stopping !== undefined) s.agent = 'stopping';
    else if (attempt.suspectSince !== undefined) s.agent = 'suspect';
    else if (attempt.acceptedAt === undefined) s.agent = 'none';
    else if (attempt.pausedAt !== undefined) s.agent = 'paused';
    else if (attempt.spawnedAt === undefined) s.agent = 'starting';
    else if (attempt.stalledAt !== undefined) s.agent = 'stalled';
    else s.agent = 'working';
  }
}
