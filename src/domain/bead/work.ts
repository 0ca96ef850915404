/**
 * What an attempt has left behind: whether it is evidence of finished work, and what follows when it is not.
 * @module
 */
import { clip, refNames } from '../../contract/index.js';
import type { AttemptResult, Evidence, OfferWorkResult, Outcome } from '../../contract/index.js';
import { nextAfter, nextPaidStart } from './accounts.js';
import { backoff } from '../clocks.js';
import type { BeadDraft } from './draft.js';
import { beginLanding } from './landing.js';
import { usageProblem } from './usage.js';
import { durationText, shortSha } from '../words.js';

export class WorkRules {
  constructor(private readonly draft: BeadDraft) {}

  /**
   * @param rules.spaced as in the event `ended`.
   * @param rules.freeOffer likewise.
   */
  goOn(
    result: Pick<AttemptResult, 'outcome' | 'reason' | 'retryAfterMs'>,
    { spaced = false, freeOffer = false }: { spaced?: boolean; freeOffer?: boolean } = {},
  ): void {
    const { s, now } = this.draft;
    const next = nextAfter(result, s.used, s.budgets, { spaced, firstLoss: s.firstLossRule });
    switch (next.do) {
      case 'verify':
        s.status = 'in_review';
        s.wait = { for: 'verification', since: now, text: 'the branch is looked up on the remote' };
        s.reason = 'the agent reported done; the evidence is being verified';
        return;
      case 'again': {
        // Nobody is paid for what comes next: its host pushes commits that are finished.
        if (freeOffer && s.unpushed !== undefined) return this.#waitToOffer(next);
        const usedUp = usageProblem(s);
        if (usedUp !== undefined)
          return this.draft.block(
            `${usedUp}; the last attempt: ${next.text}`,
            'look at what it was used for (heartbead show), then retry the bead: its budget counts anew from there',
          );
        const delay = s.paceRule === 'spaced' ? Math.max(next.delay, nextPaidStart(s.paid) - now) : next.delay;
        s.reason =
          delay > 0
            ? `waits ${durationText(delay)} before the next attempt: ${next.text}`
            : `the next attempt follows: ${next.text}`;
        if (delay > 0) s.wait = { for: 'backoff', until: now + delay, text: next.text };
        return;
      }
      case 'block':
        return this.draft.block(next.reason, next.fix);
    }
  }

  #waitToOffer({ delay, text }: { delay: number; text: string }): void {
    const { s, now } = this.draft;
    s.reason = `waits ${durationText(delay)} before the finished commits are offered again: ${text}`;
    s.wait = { for: 'backoff', until: now + delay, text };
  }

  evidence(evidence: Evidence): void {
    const { s } = this.draft;
    if (s.wait?.for !== 'verification') return;
    delete s.wait;
    switch (evidence.verdict) {
      case 'verified':
        return this.#close(evidence);
      case 'no_changes':
        s.used.agentFailures += 1;
        this.#amend('no_changes', 'agent', evidence.reason);
        this.draft.leaveNote(`you reported done, but ${evidence.reason}`);
        return this.goOn({ outcome: 'no_changes', reason: evidence.reason });
      case 'unrelated':
        s.used.agentFailures += 1;
        this.#amend('agent_failed', 'agent', evidence.reason);
        delete s.branch;
        delete s.sha;
        this.draft.leaveNote(
          `you reported done, but ${evidence.reason}. Bring your changes onto the branch that you began with: ` +
            `its files can be taken from ${evidence.found} by \`git checkout ${evidence.found} -- PATH\``,
        );
        return this.goOn({ outcome: 'agent_failed', reason: evidence.reason });
      case 'missing':
      case 'differs':
      case 'unvouched':
        s.used.infraLosses += 1;
        this.#amend('lost', 'infra', evidence.reason);
        delete s.branch;
        delete s.sha;
        this.draft.leaveNote(`the reported work was not found on the remote: ${evidence.reason}`);
        return this.goOn({ outcome: 'lost', reason: evidence.reason });
    }
  }

  /** What the last attempt claimed has turned out otherwise. */
  #amend(outcome: Outcome, countedAs: 'agent' | 'infra', reason: string): void {
    const last = this.draft.s.attempts.at(-1);
    if (last)
      this.draft.s.attempts = [
        ...this.draft.s.attempts.slice(0, -1),
        { ...last, outcome, countedAs, reason: clip(reason) },
      ];
    this.draft.fruitless();
    this.draft.tell(`no evidence: ${reason}`);
  }

  #close(evidence: Extract<Evidence, { verdict: 'verified' }>): void {
    const { s } = this.draft;
    this.draft.workIsSafe();
    const { paid } = s;
    delete s.paid;
    if (s.landing) {
      s.status = 'in_review';
      s.landing.unlanded = paid;
      return beginLanding(this.draft, s.landing, evidence);
    }
    s.branch = evidence.branch;
    s.sha = evidence.sha;
    s.baseSha = evidence.baseSha;
    const commits = `${evidence.ahead} commit${evidence.ahead === 1 ? '' : 's'}`;
    this.draft.finish(
      'closed',
      `verified on the remote: ${evidence.branch} at ${shortSha(evidence.sha)}, ${commits} ahead of its base`,
    );
  }

  salvaged(evidence: Evidence | undefined): void {
    const { s } = this.draft;
    if (s.salvage === undefined) return;
    const { attempt } = s.salvage;
    delete s.salvage;
    if (s.current !== undefined) return;
    if (evidence?.verdict === 'unvouched') return this.#unvouched(attempt, evidence);
    if (evidence?.verdict !== 'verified') return;
    this.draft.tell(`the lost attempt ${attempt} had finished its work and pushed it`);
    delete s.wait;
    this.#close(evidence);
  }

  /** What somebody else than its runner pushed is no proof that it is finished, but it is work to go on from. */
  #unvouched(attempt: string, { reason, found }: Extract<Evidence, { verdict: 'unvouched' }>): void {
    const { s } = this.draft;
    this.draft.tell(`not taken as finished: ${reason}`);
    this.draft.leaveNote(
      `attempt ${attempt} was lost; ${reason}: it is not taken as finished work. Look at it and go on`,
    );
    // A save of the runner's own is at least as new, unless it never got to one.
    const names = refNames(s.workspace?.refPrefix);
    if (s.checkpoint?.ref === names.wip(s.bead, attempt)) return;
    s.checkpoint = { sha: found, ref: names.branchRef(s.bead, attempt), wip: false };
  }

  offered(answer: OfferWorkResult, freeOffer = false): void {
    const { s } = this.draft;
    const { unpushed } = s;
    if (unpushed === undefined || s.current !== undefined) return;
    if (answer.pushed) {
      delete s.unpushed;
      s.branch = answer.branch;
      s.sha = unpushed.sha;
      const last = s.attempts.at(-1);
      if (last?.id === unpushed.attempt)
        s.attempts = [
          ...s.attempts.slice(0, -1),
          { ...last, outcome: 'done', reason: 'the agent had reported done; its commits were pushed later' },
        ];
      this.draft.tell(`the finished commits of attempt ${unpushed.attempt} are pushed now`);
      return this.goOn({ outcome: 'done', reason: 'its finished commits are pushed' });
    }
    const tries = unpushed.tries + 1;
    s.unpushed = { ...unpushed, tries };
    return this.goOn(
      {
        outcome: 'push_refused',
        reason: clip(answer.reason),
        retryAfterMs: answer.mayPass ? backoff(tries) : undefined,
      },
      { freeOffer },
    );
  }
}
