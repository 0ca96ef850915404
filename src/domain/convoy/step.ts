/**
 * A convoy as a pure function of (state, event, now): which of its beads run, what their ends mean for the others, when
 * it lands. The workflow feeds it events and carries out what `convoyEffects` asks for.
 * @module
 */
import { clip, integrationBranch, mergedBy } from '../../contract/index.js';
import type { ConvoyState, MergeEnded, RigFacts } from '../../contract/index.js';
import { shortSha } from '../words.js';
import { BeadRules } from './beads.js';
import { ConvoyDraft } from './draft.js';
import type { ConvoyEvent } from './events.js';
import { landingItem } from './state.js';
import { isPart } from './order-problems.js';
import { deriveStatus, settle } from './settle.js';
import { outcomeReason } from '../rig/merges.js';

/**
 * One step of a convoy.
 * @param state is never changed.
 * @param now milliseconds, of the workflow's clock.
 */
export function stepConvoy(state: ConvoyState, event: ConvoyEvent, now: number): ConvoyState {
  const draft: ConvoyState = {
    ...state,
    beads: state.beads.map((bead) => ({ ...bead })),
    story: [...state.story],
    landing: state.landing && { ...state.landing },
  };
  new ConvoyStep(new ConvoyDraft(draft, now)).take(event);
  return draft;
}

/** Hands each event to those whose affair it is; the landing is its own. */
class ConvoyStep {
  readonly #beads: BeadRules;

  constructor(private readonly draft: ConvoyDraft) {
    this.#beads = new BeadRules(draft);
  }

  take(event: ConvoyEvent): void {
    const { s } = this.draft;
    const over = s.endedAt !== undefined;
    if (event.type === 'malformed') s.malformed += 1;
    else if (event.type === 'renewed') s.runs += 1;
    else if (event.type === 'report' && over) s.strays += 1;
    if (over) return;
    this.#apply(event);
    settle(this.draft);
    deriveStatus(s);
  }

  #apply(event: ConvoyEvent): void {
    const { s } = this.draft;
    switch (event.type) {
      case 'tick':
      case 'malformed':
      case 'renewed':
        return;
      case 'start':
        if (s.staged) this.draft.tell('started by an operator');
        s.staged = false;
        return this.#tryAgain();
      case 'pause':
        s.paused = true;
        return this.draft.tell('paused by an operator: nothing new starts');
      case 'resume':
        s.paused = false;
        this.draft.tell('resumed by an operator');
        return this.#tryAgain();
      case 'cancel':
        return this.draft.endAs('cancelled', 'cancelled by an operator');
      case 'prepared':
        return this.#prepared(event.facts, event.began);
      case 'notPrepared':
        s.trouble = clip(event.reason, 500);
        return this.draft.tell(`could not begin: ${event.reason}`);
      case 'starting':
        return this.#beads.starting(event.id);
      case 'started':
        return this.#beads.started(event.id, event.report);
      case 'notStarted':
        return this.#beads.notStarted(event.id, clip(event.reason, 500));
      case 'report': {
        const bead = this.draft.beadOf(event.report.bead);
        if (bead === undefined) s.strays += 1;
        else this.#beads.hear(bead, event.report);
        return;
      }
      case 'looked':
        for (const look of event.gone) this.#beads.gone(look, event.askedAt);
        return;
      case 'cancelTold': {
        const bead = this.draft.bead(event.id);
        if (bead !== undefined) bead.cancelTold = true;
        return;
      }
      case 'addBead':
        if (isPart(s, event.bead)) return;
        s.beads.push({ ...event.bead, status: 'pending' });
        return this.draft.tell(`${event.bead.id} added`);
      case 'removeBead':
        return this.#beads.remove(event.id, event.release);
      case 'retryBead':
        return this.#beads.retry(event.id);
      case 'landingQueued':
        if (s.landing?.step !== 'wanted' || s.ending !== undefined) return;
        s.landing = { ...s.landing, step: 'queued', queuedSha: event.sha, tries: s.landing.tries + 1 };
        return this.draft.tell(`${s.targetBranch ?? ''} at ${shortSha(event.sha)} is in the merge queue`);
      case 'withdrawTold':
        if (s.landing !== undefined) s.landing.withdrawTold = true;
        return;
      case 'rigNotTold':
        if (s.landing === undefined) return;
        if (s.landing.withdrawTold === true) delete s.landing.withdrawTold;
        else if (s.landing.step === 'queued')
          s.landing = { step: 'wanted', tries: s.landing.tries - 1, lastReason: s.landing.lastReason };
        return;
      case 'mergeEnded':
        return this.#mergeEnded(event.ended);
      case 'landingStuck':
        return this.#landingStuck(event.reason);
      case 'landingVerified':
        if (s.landing?.step === 'verifying')
          this.draft.end('landed', `landed on ${s.landing.target ?? 'its base'} as ${shortSha(s.landing.sha ?? '')}`);
        return;
      default:
        event satisfies never;
    }
  }

  #prepared(facts: RigFacts, began: string | undefined): void {
    const { s } = this.draft;
    const branch = s.target === 'integration' ? integrationBranch(s.convoy) : facts.base;
    s.prepared = true;
    delete s.trouble;
    Object.assign(s, {
      repo: facts.repo,
      strategy: facts.strategy,
      base: facts.base,
      targetBranch: branch,
    });
    if (began !== undefined) s.began = began;
    this.draft.tell(`its beads land on ${branch ?? 'the default branch'} of ${facts.repo}`);
  }

  /** What waits for a person is tried once more. */
  #tryAgain(): void {
    const { s } = this.draft;
    delete s.trouble;
    if (s.landing?.step === 'stuck')
      s.landing = {
        step: 'wanted',
        tries: s.landing.tries,
        lastReason: s.landing.lastReason,
      };
    // Never started: there is no workflow that could be retried by itself.
    for (const bead of s.beads)
      if (bead.status === 'failed' && bead.startedAt === undefined) this.draft.set(bead, 'pending');
  }

  #mergeEnded({ item, sha, result }: MergeEnded): void {
    const { s } = this.draft;
    const { landing } = s;
    // About a commit that is no longer offered: a late answer.
    if (item !== landingItem(s.convoy) || landing === undefined || sha !== landing.queuedSha) {
      s.strays += 1;
      return;
    }
    if (result.outcome === 'merged' && mergedBy(result.strategy) !== 'nobody') {
      delete landing.queuedSha;
      Object.assign(landing, { step: 'verifying', sha: result.sha, target: result.target });
      return;
    }
    if (result.outcome === 'merged') return this.#landingStuck(`rig ${s.rig} merges nothing (branch-only)`);
    const lost = result.outcome === 'unrelated' && result.lost !== undefined;
    const byHand = `; merge ${s.targetBranch ?? 'its branch'} by hand where that is right, then resume the convoy`;
    this.#landingStuck(`${outcomeReason(result)}${lost ? byHand : ''}`);
  }

  #landingStuck(reason: string): void {
    const { landing } = this.draft.s;
    if (landing === undefined) return;
    this.draft.s.landing = { step: 'stuck', tries: landing.tries, lastReason: clip(reason, 500) };
    this.draft.tell(`the landing failed: ${reason}`);
  }
}
