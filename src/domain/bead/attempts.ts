/**
 * What the attempt under way means to its bead: its beats and its silence, its clocks, its end.
 * @module
 */
import { addUsage, refNames, clip, isFinal, limits, phaseMayHaveAgent, readUsage } from '../../contract/index.js';
import type {
  AcceptedSignal,
  AttemptRecord,
  AttemptResult,
  BeadState,
  CurrentAttempt,
  HeartbeatKind,
  HeartbeatSignal,
  NoteSignal,
  Outcome,
  Usage,
} from '../../contract/index.js';
import { accountOf } from './accounts.js';
import { giveUpAt, stopSilentDeadline, maxRuntimeDeadline, stalledDeadline } from './deadline.js';
import type { BeadDraft } from './draft.js';
import type { BeadEvent } from './events.js';
import type { WorkRules } from './work.js';
import { durationText } from '../words.js';

/** By which rules of today the end of an attempt is read. */
type EndRules = Pick<Extract<BeadEvent, { type: 'ended' }>, 'loginAgain' | 'spaced' | 'freeOffer'>;

export class AttemptRules {
  constructor(
    private readonly draft: BeadDraft,
    private readonly work: WorkRules,
  ) {}

  dispatched(id: string): void {
    const { s, now } = this.draft;
    if (s.current !== undefined) return;
    s.attemptCount += 1;
    s.current = {
      id,
      number: s.attemptCount,
      startedAt: now,
      lastSignAt: now,
      adopting: false,
      adoptions: 0,
      pausedMs: 0,
      pausedByActivity: false,
      pauseTold: false,
      heartbeats: 0,
      // What an earlier attempt has saved is nothing that this one has worked.
      checkpoint: s.checkpoint && { sha: s.checkpoint.sha, ref: s.checkpoint.ref, wip: s.checkpoint.wip },
    };
    delete s.salvage;
    delete s.unpushed;
    if (s.landing) s.landing.grant = 'spent';
    s.wait = { for: 'place', since: now, text: 'waits for a free place on a host' };
    s.reason = `attempt ${s.attemptCount} waits for a free place on a host`;
    this.draft.tell(`attempt ${s.attemptCount} (${id}) dispatched`);
  }

  accepted(signal: AcceptedSignal, byHost: boolean): void {
    const attempt = this.draft.s.current;
    if (attempt?.id !== signal.attempt || isFinal(this.draft.s.status)) return this.draft.stray();
    // Once an agent may exist, only its own host speaks for the attempt.
    if (attempt.spawnedAt !== undefined && attempt.host !== undefined && attempt.host !== signal.host)
      return this.draft.stray();
    attempt.host = signal.host;
    attempt.acceptedAt ??= this.draft.now;
    if (!byHost) {
      attempt.lastSignAt = this.draft.now;
      this.#recover(attempt);
    }
    if (this.draft.s.wait?.for === 'place') delete this.draft.s.wait;
    if (!attempt.stopping) this.draft.s.reason = `attempt ${attempt.number} starts on ${signal.host}`;
  }

  heartbeat(signal: HeartbeatSignal): void {
    const { s, now } = this.draft;
    const attempt = s.current;
    if (attempt?.id !== signal.attempt || isFinal(s.status)) return this.draft.stray();
    // A host that does not hold the attempt cannot speak for it: the first claim counts.
    if (
      attempt.spawnedAt !== undefined &&
      attempt.host !== undefined &&
      signal.host !== undefined &&
      signal.host !== attempt.host
    )
      return this.draft.stray();

    s.heartbeats += 1;
    attempt.heartbeats += 1;
    attempt.acceptedAt ??= now;
    if (s.wait?.for === 'place') delete s.wait;
    if (signal.host !== undefined) attempt.host = signal.host;
    if (attempt.spawnedAt === undefined) {
      attempt.spawnedAt = now;
      this.draft.tell(`attempt ${attempt.number}: agent up on ${attempt.host ?? 'its host'}`);
    }
    attempt.lastSignAt = now;
    delete attempt.unanswered;
    delete attempt.trouble;
    delete attempt.fencedOutSince;
    if (signal.activity !== undefined) attempt.activity = signal.activity;
    if (signal.saveProblem !== undefined) attempt.saveProblem = signal.saveProblem;
    else delete attempt.saveProblem;
    // A runner that died at the fence may have a successor: whoever claimed last is the one that spawns.
    if (signal.vouchKey !== undefined) attempt.vouchKey = signal.vouchKey;
    if (signal.cell !== undefined) attempt.cell = signal.cell;
    if (signal.account !== undefined) attempt.account = signal.account;
    if (signal.checkpoint) this.#checkpoint(attempt, signal.checkpoint);
    if (signal.acknowledged?.length) {
      const acknowledged = new Set(signal.acknowledged);
      s.messages = s.messages.filter((message) => !acknowledged.has(message.id));
    }
    this.#recover(attempt);
    this.#heartbeatKind(attempt, signal.kind ?? 'output');
    if (!attempt.stopping)
      s.reason =
        attempt.stalledAt === undefined ? `attempt ${attempt.number} works on ${attempt.host ?? 'its host'}` : s.reason;
  }

  /** What a heartbeat says beyond mere life. */
  #heartbeatKind(attempt: CurrentAttempt, kind: HeartbeatKind): void {
    switch (kind) {
      case 'start':
      case 'adopted':
      case 'orphan':
        return;
      case 'output':
      case 'tool':
      case 'agent':
        return this.#progress(attempt);
      case 'paused':
        if (attempt.pausedAt !== undefined) return;
        attempt.pausedAt = this.draft.now;
        attempt.pausedByActivity = true;
        return this.draft.tell('paused in the Web UI');
      case 'resumed':
        if (!attempt.pausedByActivity) return;
        attempt.pausedByActivity = false;
        if (!this.draft.s.paused) this.unfreeze(attempt);
        return this.draft.tell('unpaused in the Web UI');
      default:
        return kind satisfies never;
    }
  }

  /** Proof of life ends a suspicion at once; whether the adoption is still to come is another matter. */
  #recover(attempt: CurrentAttempt): void {
    if (attempt.suspectSince === undefined) return;
    const unheard = this.draft.now - attempt.suspectSince;
    this.draft.tell(`${attempt.host ?? 'the host'} gave a sign of life after ${durationText(unheard)}`);
    delete attempt.suspectSince;
    this.#forgive(attempt, unheard);
  }

  /**
   * Silence proves nothing while nobody could be heard (and the lease may have frozen the agent): that time is taken
   * out of its clocks.
   */
  #forgive(attempt: CurrentAttempt, unheard: number): void {
    if (attempt.spawnedAt === undefined || attempt.pausedAt !== undefined) return;
    attempt.lastProgressAt = Math.min((attempt.lastProgressAt ?? attempt.spawnedAt) + unheard, this.draft.now);
    attempt.pausedMs += unheard;
  }

  outage(attempt: CurrentAttempt, ms: number, suspected: boolean): void {
    this.draft.tell(`nothing could be heard for ${durationText(ms)}: the server or the workers were away`);
    // A suspicion is taken out of the clocks as a whole when it ends.
    if (attempt.suspectSince === undefined) this.#forgive(attempt, ms);
    // Its silence may have been told before the outage was: it began with that, and not when it was told.
    else if (suspected) attempt.suspectSince = Math.min(attempt.suspectSince, this.draft.now - ms);
    attempt.lastSignAt = Math.min(attempt.lastSignAt + ms, this.draft.now);
  }

  #progress(attempt: CurrentAttempt): void {
    const { s, now } = this.draft;
    attempt.firstProgressAt ??= now;
    attempt.lastProgressAt = now;
    // By the rule of earlier versions a word was enough.
    if (s.lossRule === undefined) s.used.infraLosses = 0;
    if (attempt.stalledAt !== undefined) {
      this.draft.tell(`working again after ${durationText(now - attempt.stalledAt)} stalled`);
      delete attempt.stalledAt;
      if (s.attention === 'stalled') delete s.attention;
    }
  }

  #checkpoint(attempt: CurrentAttempt, checkpoint: BeadState['checkpoint']): void {
    if (checkpoint === undefined) return;
    attempt.checkpoint = checkpoint;
    this.draft.s.checkpoint = checkpoint;
    if (checkpoint.gained !== true) return;
    attempt.saved = true;
    this.draft.workIsSafe();
  }

  note(note: NoteSignal): void {
    const { s } = this.draft;
    if (s.current?.id !== note.attempt || isFinal(s.status)) return this.draft.stray();
    this.draft.leaveNote(
      `attempt ${s.current.number} ${note.kind === 'escalation' ? 'asked for help' : 'noted'}: ${note.text}`,
    );
    this.draft.tell(`${note.kind === 'escalation' ? 'asks for help' : 'note'}: ${note.text}`);
    if (note.kind === 'escalation') s.attention = 'escalation';
  }

  tick(): void {
    const { s, now } = this.draft;
    const attempt = s.current;
    if (attempt === undefined) {
      if (s.wait?.for === 'backoff' && now >= s.wait.until) delete s.wait;
      return;
    }
    if (attempt.suspectSince !== undefined || attempt.stopping !== undefined || attempt.fencedOutSince !== undefined) {
      const silent = durationText(now - attempt.lastSignAt);
      const silence = `host ${attempt.host ?? '(unknown)'} has been silent for ${silent}`;
      if (now >= giveUpAt(s, attempt))
        this.giveUp(
          attempt,
          attempt.trouble === undefined ? silence : `no sign of the attempt itself for ${silent}: ${attempt.trouble}`,
        );
      return;
    }
    if (attempt.pausedAt !== undefined) return;
    const reached = (deadline: number | undefined): boolean => deadline !== undefined && now >= deadline;
    if (reached(maxRuntimeDeadline(s, attempt))) {
      this.stop(attempt, 'timed_out', `the attempt ran longer than ${durationText(s.clocks.maxRuntime)}`);
    } else if (reached(stopSilentDeadline(s, attempt))) {
      this.stop(attempt, 'stalled', `no progress for ${durationText(s.clocks.stopSilentAfter)}`);
    } else if (attempt.stalledAt === undefined && reached(stalledDeadline(s, attempt))) {
      attempt.stalledAt = now;
      s.attention ??= 'stalled';
      s.reason = `attempt ${attempt.number} shows no progress`;
      this.draft.tell(`attempt ${attempt.number} stalled: nudged`);
      s.messages.push({
        id: `stalled-${attempt.id}-${s.heartbeats}`,
        from: 'heartbead',
        at: now,
        text:
          'No progress of yours has been seen for a while. Go on with the work, report with `heartbead agent ' +
          'heartbeat`, or ask for help with `heartbead agent escalate`.',
      });
    }
  }

  stop(attempt: CurrentAttempt, outcome: Outcome, reason: string): void {
    if (attempt.stopping !== undefined) return;
    attempt.stopping = { outcome, reason, at: this.draft.now };
    this.draft.s.reason = `attempt ${attempt.number} is being stopped: ${reason}`;
    this.draft.tell(`attempt ${attempt.number} is being stopped: ${reason}`);
  }

  silent(attempt: CurrentAttempt, event: Extract<BeadEvent, { type: 'silent' }>): void {
    const { details, unheard, byHost, fenced } = event;
    const { s, now } = this.draft;
    // The last accepted beat was heartbeatTimeout ago at the latest: the give-up is counted from there. Without a beat
    // there was no sign: a host that takes every adoption and does nothing with it must not keep its bead waiting for
    // ever.
    if (unheard !== true && byHost !== true)
      attempt.lastSignAt = Math.max(attempt.lastSignAt, now - s.clocks.heartbeatTimeout);
    if (details?.attempt === attempt.id) {
      attempt.host = details.host;
      attempt.acceptedAt ??= now;
      if (details.checkpoint) this.#checkpoint(attempt, details.checkpoint);
      if (fenced === true) attempt.fencedOutSince ??= now;
      else if (phaseMayHaveAgent(details.phase)) attempt.spawnedAt ??= now;
      if (fenced === false) delete attempt.fencedOutSince;
    }
    if (fenced === true)
      attempt.trouble = `host ${attempt.host ?? '(unknown)'} sent its runner to the fence, and nothing was heard of it`;
    if (byHost === true && attempt.unanswered === true)
      attempt.trouble =
        `host ${attempt.host ?? '(unknown)'} takes up its adoptions, but its runner ` + 'does not reach the server';
    this.#suspect(attempt, attempt.trouble ?? 'its activity heartbeat stopped');
  }

  #suspect(attempt: CurrentAttempt, why: string): void {
    attempt.adopting = true;
    if (attempt.suspectSince === undefined) {
      attempt.suspectSince = this.draft.now;
      this.draft.tell(`attempt ${attempt.number} is suspect: ${why}`);
    }
    if (!attempt.stopping) this.draft.s.reason = `attempt ${attempt.number} is suspect: ${why}; adoption is tried`;
  }

  unreachable(attempt: CurrentAttempt, text: string): void {
    // Behind the fence an agent may run there, and only time or the host can tell. Before it, provably none does:
    // nothing to wait for.
    if (attempt.spawnedAt === undefined) return this.giveUp(attempt, `${text}; no agent had been spawned`);
    this.#suspect(attempt, text);
  }

  unwatched(attempt: CurrentAttempt, { text, byHost, fenced }: Extract<BeadEvent, { type: 'unwatched' }>): void {
    if (fenced === true && attempt.spawnedAt === undefined) {
      attempt.fencedOutSince ??= this.draft.now;
      attempt.trouble = clip(text, 300);
    }
    if (byHost === true) {
      // Counted from the attempt's own last sign: a host that takes up every adoption must not keep it alive.
      attempt.trouble = clip(text, 300);
      return this.#suspect(attempt, text);
    }
    // Beats may have been accepted up to this moment.
    attempt.lastSignAt = this.draft.now;
    attempt.adopting = true;
    this.draft.tell(`attempt ${attempt.number} is to be adopted: ${text}`);
  }

  giveUp(attempt: CurrentAttempt, why: string): void {
    const stopping = attempt.stopping;
    this.ended(attempt, {
      attempt: attempt.id,
      outcome: stopping && attempt.spawnedAt === undefined ? stopping.outcome : 'lost',
      reason:
        stopping && attempt.spawnedAt !== undefined
          ? `${stopping.reason}; ${why}, so that its end is not confirmed (its lease has frozen the agent, and it ` +
            'ends when the host returns)'
          : why,
      host: attempt.host ?? 'unknown',
    });
  }

  ended(attempt: CurrentAttempt, result: AttemptResult, rules: EndRules = {}): void {
    const { s, now } = this.draft;
    // What the bead ordered outranks how the host words it; a report of the agent's outranks both.
    const ordered =
      attempt.stopping !== undefined &&
      (result.outcome === 'stopped' || result.outcome === 'unreported' || result.outcome === 'agent_failed');
    // A stop that nobody here ordered is a loss: something took the agent away.
    const outcome =
      ordered && attempt.stopping ? attempt.stopping.outcome : result.outcome === 'stopped' ? 'lost' : result.outcome;
    const reason = clip(ordered && attempt.stopping ? attempt.stopping.reason : result.reason);
    const account = accountOf(outcome);
    if (account === 'agent') s.used.agentFailures += 1;
    if (attempt.spawnedAt !== undefined) {
      s.paid = { starts: (s.paid?.starts ?? 0) + 1, at: attempt.spawnedAt };
      if (outcome !== 'done') this.draft.fruitless();
    }
    if (outcome === 'auth_failed' && rules.loginAgain === true) s.used.logins = (s.used.logins ?? 0) + 1;
    else if (outcome !== 'auth_failed' && outcome !== 'declined') delete s.used.logins;
    if (outcome === 'declined') s.used.declines = (s.used.declines ?? 0) + 1;
    else delete s.used.declines;
    if (result.checkpoint) this.#checkpoint(attempt, result.checkpoint);
    const gotOn = s.lossRule === 'saved' ? attempt.saved === true : attempt.firstProgressAt !== undefined;
    if (account === 'infra' && !gotOn) s.used.infraLosses += 1;
    if (result.acknowledged?.length) {
      const acknowledged = new Set(result.acknowledged);
      s.messages = s.messages.filter((message) => !acknowledged.has(message.id));
    }
    const usage = readUsage(result.usage);
    if (usage) s.usage = addUsage(s.usage, usage);
    if (result.session !== undefined) this.#session(result.session, result.host, attempt.id, usage);
    // A conversation in which the agent fails before it does anything may be gone or too long: the next attempt begins
    // a new one.
    if (account === 'agent' && attempt.firstProgressAt === undefined) delete s.session;
    const record: AttemptRecord = {
      id: attempt.id,
      number: attempt.number,
      startedAt: attempt.startedAt,
      endedAt: now,
      outcome,
      reason,
      countedAs: account,
      heartbeats: attempt.heartbeats,
      adoptions: attempt.adoptions,
      host: result.host === 'unknown' ? attempt.host : result.host,
      spawnedAt: attempt.spawnedAt,
      checkpoint: attempt.checkpoint,
      branch: result.branch,
      sha: result.sha,
      progress: attempt.firstProgressAt === undefined ? undefined : true,
      saved: attempt.saved,
      rigVersion: s.landing?.version,
      cell: attempt.cell,
      account: attempt.account,
      usage,
      session: result.session === undefined ? undefined : clip(result.session, 200),
    };
    // Only the newest of a row that hosts gave back is kept: they say nothing, and those that worked are to stay.
    const before =
      outcome === 'declined' && s.attempts.at(-1)?.outcome === 'declined' ? s.attempts.slice(0, -1) : s.attempts;
    s.attempts = [...before, record].slice(-limits.attemptsKept);
    delete s.current;
    delete s.wait;
    if (s.attention === 'stalled') delete s.attention;
    this.draft.tell(`attempt ${attempt.number} ended ${outcome}: ${reason}`);
    // No agent has to know of what never began.
    if (outcome !== 'done' && outcome !== 'declined')
      this.draft.leaveNote(`attempt ${attempt.number} ended ${outcome}: ${reason}`);
    if (result.summary !== undefined) s.summary = clip(result.summary);
    if (result.baseSha !== undefined) s.baseSha = result.baseSha;

    if (s.cancelling && outcome !== 'done')
      return this.draft.finish(
        'cancelled',
        outcome === 'lost' ? reason : 'cancelled by an operator; the agent is gone and its work is saved',
      );
    if (s.cancelling)
      return this.draft.finish(
        'cancelled',
        'cancelled by an operator after the agent had reported done; its branch is kept',
      );
    if (outcome === 'done') {
      if (result.branch !== undefined) s.branch = result.branch;
      if (result.sha !== undefined) s.sha = result.sha;
    }
    // Work that was finished but not reported is looked for before anybody redoes it.
    if (outcome === 'lost' && attempt.spawnedAt !== undefined)
      s.salvage = {
        attempt: attempt.id,
        branch: refNames(s.workspace?.refPrefix).branch(s.bead, attempt.id),
        vouchKey: attempt.vouchKey,
      };
    if (outcome === 'push_refused' && result.branch !== undefined && result.sha !== undefined)
      s.unpushed = {
        attempt: attempt.id,
        host: record.host ?? 'unknown',
        branch: result.branch,
        sha: result.sha,
        tries: 0,
      };
    this.work.goOn({ outcome, reason, retryAfterMs: result.retryAfterMs }, rules);
  }

  /** A conversation that went on counts what it had used before. */
  #session(id: string, host: string, attempt: string, usage: Usage | undefined): void {
    const { s } = this.draft;
    const before = s.session?.id === id ? s.session.usage : undefined;
    const all = usage ? addUsage(before, usage) : before;
    s.session = { id: clip(id, 200), adapter: s.agentSpec.adapter, attempt, host, usage: all };
  }

  /** The time of the pause is taken out of every clock. */
  unfreeze(attempt: CurrentAttempt): void {
    if (attempt.pausedAt === undefined) return;
    const pause = this.draft.now - attempt.pausedAt;
    delete attempt.pausedAt;
    if (attempt.spawnedAt !== undefined) {
      // Only the part of the pause after the spawn: before it no clock ran.
      const from = attempt.lastProgressAt ?? attempt.spawnedAt;
      attempt.lastProgressAt = Math.min(from + pause, this.draft.now);
      attempt.pausedMs += pause;
    }
  }
}
