/**
 * What operators order: cancel, pause, resume, retry.
 * @module
 */
import type { BeadChange, BeadState } from '../../contract/index.js';
import { nextPaidStart } from './accounts.js';
import type { AttemptRules } from './attempts.js';
import type { BeadDraft } from './draft.js';
import { retryLanding } from './landing.js';
import { durationText } from '../words.js';

export const causeIsGone = 'its rig says that the cause is gone';

export class OrderRules {
  constructor(
    private readonly draft: BeadDraft,
    private readonly attempts: AttemptRules,
  ) {}

  cancel(): void {
    const { s } = this.draft;
    if (s.cancelling) return;
    s.cancelling = true;
    if (s.current === undefined && s.landing?.queuedSha !== undefined) {
      // The refinery may be at it right now: its answer decides, so that nothing merged is ever called cancelled.
      s.landing.withdrawing = true;
      s.reason = 'is being cancelled: the refinery is asked to take it out of the queue';
      return;
    }
    if (s.current === undefined)
      return this.draft.finish('cancelled', 'cancelled by an operator; no agent was running');
    if (s.current.stopping) {
      s.current.stopping = { ...s.current.stopping, reason: 'cancelled by an operator', outcome: 'stopped' };
    } else {
      this.attempts.stop(s.current, 'stopped', 'cancelled by an operator');
    }
  }

  pause(): void {
    const { s, now } = this.draft;
    if (s.paused) return;
    s.paused = true;
    this.draft.tell('paused by an operator');
    if (s.current === undefined) return;
    // Not yet taken by a host: it is withdrawn from the queue, so that nothing spawns before the resume.
    if (s.current.acceptedAt === undefined)
      this.attempts.stop(s.current, 'stopped', 'withdrawn from the queue: the bead was paused');
    else s.current.pausedAt ??= now;
  }

  resume(): void {
    const { s } = this.draft;
    if (!s.paused) return;
    s.paused = false;
    this.draft.tell('resumed by an operator');
    if (s.current && !s.current.pausedByActivity) this.attempts.unfreeze(s.current);
  }

  retry(now: boolean, change: BeadChange = {}): void {
    const { s } = this.draft;
    const attempt = s.current;
    this.#change(change);
    if (attempt !== undefined) {
      // An operator overrides the wait for an unreachable host; whoever returns is fenced.
      if (now && attempt.suspectSince !== undefined)
        this.attempts.giveUp(attempt, 'given up by an operator (retry --now)');
      return;
    }
    if (s.wait?.for === 'person' || s.wait?.for === 'backoff') {
      if (s.landing) s.landing.retried = true;
      // Somebody wants them mended rather than offered once more.
      if (now) delete s.unpushed;
      return this.again('retried by an operator');
    }
    // The rig is asked once more, and hears that somebody wants it.
    if (s.wait?.for === 'grant' && s.landing) {
      s.landing.retried = true;
      s.landing.grant = 'none';
      delete s.wait;
      this.draft.tell('retried by an operator');
    }
  }

  /** For the attempts that follow. */
  #change({ agent, base }: BeadChange): void {
    const { s } = this.draft;
    if (agent !== undefined) {
      s.agentSpec = agent;
      if (s.landing) delete s.landing.rigsAgent;
      this.draft.tell(`its agent is ${agent.adapter} from now on`);
    }
    if (base !== undefined) {
      s.base = base;
      this.draft.tell(`its base is ${base} from now on`);
    }
  }

  /** Nobody has looked at this bead: with the accounts that it has, and no sooner than its last paid start allows. */
  goOn(): void {
    const { s, now } = this.draft;
    s.retriedAt = now;
    delete s.used.logins;
    delete s.wait;
    delete s.attention;
    s.reason = causeIsGone;
    this.draft.tell(causeIsGone);
    // Finished commits are pushed first, which costs nothing.
    const delay = s.paceRule === 'spaced' && s.unpushed === undefined ? nextPaidStart(s.paid) - now : 0;
    if (delay <= 0) return;
    s.wait = { for: 'backoff', until: now + delay, text: causeIsGone };
    s.reason = `waits ${durationText(delay)} before the next attempt: ${causeIsGone}`;
  }

  /** From the beginning, with fresh accounts. */
  again(why: string): void {
    const { s, now } = this.draft;
    s.retriedAt = now;
    s.used = { agentFailures: 0, infraLosses: 0, reworkRounds: 0 };
    delete s.paid;
    if (s.landing) delete s.landing.unlanded;
    if (s.usage) s.usageAtRetry = s.usage;
    delete s.wait;
    delete s.attention;
    s.reason = why;
    this.draft.tell(why);
    if (s.landing) retryLanding(this.draft, s.landing);
  }
}

/** @returns what a retry asks for besides another attempt. */
export const namesOfChange = ({ agent, base }: BeadChange): (keyof BeadChange)[] => [
  ...(agent === undefined ? [] : ['agent' as const]),
  ...(base === undefined ? [] : ['base' as const]),
];

/** @returns what a retry has led to, as the answer to whoever ordered it. */
export function retriedText(s: BeadState): string {
  const { current, landing, wait, unpushed } = s;
  if (current !== undefined) return s.reason;
  if (landing?.retried === true && wait === undefined) return 'its rig is asked for the next attempt';
  if (unpushed !== undefined) return `the finished commits on ${unpushed.host} are pushed first`;
  return wait?.for === 'merge' ? 'its verified work goes back into the merge queue' : 'the next attempt starts';
}
