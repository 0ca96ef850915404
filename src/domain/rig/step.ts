/**
 * A rig as a pure function of (state, event, now): who may run an agent, what is merged next, and when neither. The
 * workflow feeds it events and carries out what `rigEffects` asks for.
 * @module
 */
import { clip } from '../../contract/index.js';
import type { RigChange, RigState } from '../../contract/index.js';
import { RigDraft } from './draft.js';
import type { RigEvent } from './events.js';
import { MergeRules } from './merges.js';
import { byMergeOrder, byGrantOrder } from './queue.js';
import { changedSettings, changeSettings } from './settings.js';
import { GrantRules } from './grants.js';
import { inForce } from './stops.js';

/** A merge that begins for the fourth time wants a person's look. */
const triesToAttention = 3;

/**
 * One step of a rig.
 * @param state is never changed.
 * @param now milliseconds, of the workflow's clock.
 */
export function stepRig(state: RigState, event: RigEvent, now: number): RigState {
  const draft: RigState = {
    ...state,
    grants: [...state.grants],
    waiting: [...state.waiting],
    queue: [...state.queue],
    merging: [...state.merging],
    merged: [...state.merged],
    notMerged: [...state.notMerged],
    news: [...state.news],
    story: [...state.story],
  };
  new RigStep(new RigDraft(draft, now)).take(event);
  return draft;
}

/** Hands each event to those whose affair it is. */
class RigStep {
  readonly #grants: GrantRules;
  readonly #merges: MergeRules;

  constructor(private readonly draft: RigDraft) {
    this.#grants = new GrantRules(draft);
    this.#merges = new MergeRules(draft);
  }

  take(event: RigEvent): void {
    const { s, now } = this.draft;
    this.#apply(event);
    this.#merges.ripen();
    s.queue.sort(byMergeOrder(now));
    this.#grants.grant();
    this.#derive();
  }

  #apply(event: RigEvent): void {
    const { s, now } = this.draft;
    switch (event.type) {
      case 'tick':
        return;
      case 'renewed':
        s.runs += 1;
        s.waiting.sort(byGrantOrder);
        return;
      case 'malformed':
        s.malformed += 1;
        return;
      case 'asked':
        return this.#grants.asked(event.request, event.full);
      case 'returned':
        return this.#grants.returned(event.end, event.inVain, event.afterWork);
      case 'progressed':
        return this.#grants.progressed(event.progress);
      case 'grantTold':
        return this.#grants.grantTold(event.bead, event.delivered);
      case 'newsTold':
        return this.#newsTold(event.id, event.delivered);
      case 'enqueued':
        return this.#merges.enqueued(event.request, event.full);
      case 'withdrawn':
        return this.#merges.withdrawn(event.withdrawal);
      case 'mergeStarted':
        return this.#merges.mergeStarted(event.workflowId, event.sha);
      case 'mergeEnded':
        return this.#merges.mergeEnded(event.workflowId, event.sha, event.outcome);
      case 'mergeBroke':
        return this.#merges.mergeBroke(event.workflowId, event.sha, clip(event.reason, 500));
      case 'looked': {
        const gone = new Map(
          event.gone.map(({ workflowId, status }) => [
            workflowId,
            `its workflow is gone (${status.toLowerCase().replaceAll('_', ' ')})`,
          ]),
        );
        this.#grants.gone(gone, event.askedAt);
        return this.#merges.gone(gone, event.askedAt);
      }
      case 'configured':
        return this.#configured(event.change);
      case 'paused':
        s.paused = true;
        return this.draft.tell('paused by an operator: no new attempts and merges');
      case 'resumed':
        // Whoever resumes has looked after things: one attempt may find out at once.
        if (s.breaker.open) s.breaker = { ...s.breaker, probeAt: now };
        s.paused = false;
        this.draft.tell('resumed by an operator');
        return this.#grants.resumed();
      case 'removed':
        if (s.removed) return;
        s.removed = true;
        this.draft.tell(`is being removed: ${event.reason}`);
        this.#grants.removed();
        return this.#merges.removed();
      default:
        event satisfies never;
    }
  }

  #derive(): void {
    const { s } = this.draft;
    const stuck = [...s.queue, ...s.merging].some(({ tries }) => tries >= triesToAttention);
    if (s.breaker.open) s.attention = 'breaker';
    else if ((s.stops ?? []).some(inForce)) s.attention = 'stopped';
    else if (stuck) s.attention = 'merge';
    else delete s.attention;
  }

  #newsTold(id: number, delivered: boolean): void {
    const { s } = this.draft;
    const news = s.news.find((one) => one.id === id);
    s.news = s.news.filter((one) => one.id !== id);
    if (news !== undefined && !delivered)
      this.draft.tell(`${news.workflowId} has ended before it could be told (${news.signal})`);
  }

  #configured(change: RigChange): void {
    const { s } = this.draft;
    const settings = changeSettings(s.settings, change);
    const changed = changedSettings(s.settings, settings);
    if (changed.length === 0) return;
    s.settings = settings;
    s.version += 1;
    this.draft.tell(`version ${s.version} of the settings: changed ${changed.join(', ')}`);
    this.#grants.configured(changed);
  }
}
