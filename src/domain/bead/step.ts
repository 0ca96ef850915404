/**
 * The life of a bead as a pure function of (state, event, now). The workflow feeds it events and carries out what the
 * state asks for; it never decides by itself.
 * @module
 */
import { addUsage, attemptRefs, clip, isFinal, limits, phaseMayHaveAgent, readUsage } from '../../contract/index.js';
import type {
  AcceptedSignal,
  AttemptRecord,
  AttemptResult,
  BeadInput,
  BeadState,
  BeatDetails,
  CurrentAttempt,
  Evidence,
  HeartbeatKind,
  HeartbeatSignal,
  Message,
  NoteSignal,
  OfferWorkResult,
  Outcome,
  Usage,
} from '../../contract/index.js';
import { accountOf, nextAfter, nextPaidStart } from './accounts.js';
import { backoff, mergeBudgets, mergeClocks } from '../clocks.js';
import { beginLanding, retryLanding, sharedCauseOf, stepLanding } from './landing.js';
import type { Hands, LandingEvent } from './landing.js';
import { giveUpAt, lostDeadline, maxRuntimeDeadline, stalledDeadline } from './deadline.js';
import { usageProblem } from './usage.js';
import { minutes } from '../words.js';

/** Everything that can happen to a bead. Closed union. */
export type BeadEvent =
  | LandingEvent
  /** A new attempt is put into the agents queue. */
  | { type: 'dispatched'; attempt: string }
  /** `byHost`: the host's word alone, which does not move the clock of an attempt that has been spawned. */
  | { type: 'accepted'; signal: AcceptedSignal; byHost?: boolean }
  | { type: 'heartbeat'; signal: HeartbeatSignal }
  | { type: 'note'; note: NoteSignal }
  | { type: 'malformed'; message: string; problem: string }
  /** The clock was looked at. */
  | { type: 'tick' }
  /**
   * The clock was looked at so much later than ordered: the server, or every worker of the bead, was away, and nobody
   * could be heard.
   */
  | { type: 'outage'; ms: number }
  /**
   * The activity heartbeat of the attempt timed out, with the last details the server had accepted. `unheard`: it had
   * not accepted any. `byHost`: those that it had accepted were the host's and not the attempt's own.
   */
  | { type: 'silent'; attempt: string; details?: BeatDetails; unheard?: boolean; byHost?: boolean }
  /** The attempt's host took up neither adoption nor stop in time. */
  | { type: 'unreachable'; attempt: string; text: string }
  /**
   * The watching activity ended for another reason than the attempt's end; adoption will tell. `byHost`: an adoption
   * ended so without any sign of the attempt itself. `fenced`: its runner ended at the fence, out of reach of the
   * server.
   */
  | { type: 'unwatched'; attempt: string; text: string; byHost?: boolean; fenced?: boolean }
  /** `startAgent` is scheduled once more for the same attempt, on its host's own queue. */
  | { type: 'adopting'; attempt: string }
  /** Another host holds the attempt. `mayHaveBeaten`: up to now it may have renewed its lease. */
  | { type: 'heldElsewhere'; attempt: string; host: string; mayHaveBeaten?: boolean }
  /** `loginAgain`: a refused login is tried again before a person is asked; earlier versions asked at once. */
  | { type: 'ended'; result: AttemptResult; loginAgain?: boolean }
  | { type: 'evidence'; evidence: Evidence }
  | { type: 'salvaged'; evidence: Evidence | undefined }
  /** The host that keeps finished commits has offered them to the remote again. */
  | { type: 'offered'; answer: OfferWorkResult }
  | { type: 'delivered'; attempt: string; messages: string[] }
  | { type: 'pauseTold'; attempt: string; paused: boolean }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'retry'; now: boolean }
  | { type: 'nudge'; message: Message }
  | { type: 'cancel' }
  | { type: 'renewed' };

/** @returns the state of a bead at its start. The input has been checked (`beadInputProblem`). */
export function initialState(input: BeadInput, now: number): BeadState {
  return {
    bead: input.bead,
    title: input.title,
    repo: input.repo,
    base: input.base,
    priority: input.priority ?? 3,
    rig: input.rig,
    convoy: input.convoy,
    agentSpec: input.agent,
    clocks: mergeClocks(input.clocks),
    budgets: mergeBudgets(input.budgets),
    ownClocks: input.clocks,
    ownBudgets: input.budgets,
    ...(input.rig !== undefined
      ? {
          landing: {
            slot: 'none' as const,
            approval: false,
            target: input.target,
            startSha: input.baseSha,
          },
        }
      : {}),
    createdAt: now,
    status: 'open',
    agent: 'none',
    reason: 'just slung',
    paused: false,
    cancelling: false,
    attempts: [],
    attemptCount: 0,
    used: { agentFailures: 0, infraLosses: 0, reworkRounds: 0 },
    lossRule: 'saved',
    paceRule: 'spaced',
    notes: [],
    messages: [],
    strays: 0,
    malformed: 0,
    heartbeats: 0,
    story: [{ at: now, text: 'slung' }],
    runs: 1,
  };
}

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

/** Rules that came after histories had been written: the patch of each, asked for where the rule makes a difference. */
export const laterRules = ['a-login-is-tried-again', 'only-the-attempt-moves-its-clock'] as const;
export type LaterRule = (typeof laterRules)[number];

/**
 * @param holds whether a rule holds for this bead; the workflow asks its history (`patched`).
 * @returns the event as the rules of today read it. Whoever applies events to a bead reads them by this.
 */
export function readByRules(state: BeadState, told: BeadEvent, holds: (rule: LaterRule) => boolean): BeadEvent {
  // Runs of before asked a person at the first refusal.
  if (told.type === 'ended' && told.result.outcome === 'auth_failed' && holds('a-login-is-tried-again'))
    return { ...told, loginAgain: true };
  // In runs of before every word of a host moved the clock after which its attempt is given up.
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

/** @returns whether the end of an attempt is followed by another wait than by the rules that this bead began with. */
export const waitsOtherwise = (before: BeadState, old: BeadState, spaced: BeadState): boolean =>
  before.paceRule === undefined && JSON.stringify(old.wait) !== JSON.stringify(spaced.wait);

/**
 * One step of a bead's life.
 * @param state is never changed; the answer shares what did not change.
 * @param now milliseconds, of the workflow's clock.
 */
export function step(state: BeadState, event: BeadEvent, now: number): BeadState {
  const draft: BeadState = {
    ...state,
    used: { ...state.used },
    attempts: state.attempts,
    messages: [...state.messages],
    notes: [...state.notes],
    story: [...state.story],
    ...(state.current ? { current: { ...state.current } } : {}),
    ...(state.landing ? { landing: { ...state.landing } } : {}),
  };
  new Step(draft, now).take(event);
  return draft;
}

/** The rules, over a draft that belongs to one step alone. */
class Step {
  constructor(
    private readonly s: BeadState,
    private readonly now: number,
  ) {}

  get #hands(): Hands {
    return {
      s: this.s,
      now: this.now,
      tell: (text) => this.#tell(text),
      leaveNote: (text) => this.#leaveNote(text),
      block: (reason, fix) => this.#block(reason, fix),
      finish: (status, reason) => this.#finish(status, reason),
    };
  }

  take(event: BeadEvent): void {
    this.#apply(event);
    if (!isFinal(this.s.status)) this.#derive();
  }

  #apply(event: BeadEvent): void {
    const { s } = this;
    const over = isFinal(s.status);
    switch (event.type) {
      case 'heartbeat':
        return this.#heartbeat(event.signal);
      case 'accepted':
        return this.#accepted(event.signal, event.byHost === true);
      case 'note':
        return this.#note(event.note);
      case 'malformed':
        s.malformed += 1;
        return;
      case 'renewed':
        s.runs += 1;
        return;
      case 'cancel':
        if (!over) this.#cancel();
        return;
      case 'pause':
        if (!over) this.#pause();
        return;
      case 'resume':
        if (!over) this.#resume();
        return;
      case 'retry':
        if (!over) this.#retry(event.now);
        return;
      case 'nudge':
        if (over) return;
        s.messages.push(event.message);
        if (event.message.from === 'operator' && s.attention === 'escalation' && s.wait?.for !== 'person')
          delete s.attention;
        return;
      case 'dispatched':
        if (!over) this.#dispatched(event.attempt);
        return;
      case 'tick':
        if (!over) this.#tick();
        return;
      case 'outage':
        if (!over && s.current) this.#outage(s.current, event.ms);
        return;
      case 'evidence':
        if (!over) this.#evidence(event.evidence);
        return;
      case 'salvaged':
        if (!over) this.#salvaged(event.evidence);
        return;
      case 'offered':
        if (!over) this.#offered(event.answer);
        return;
      case 'silent':
        return this.#ofCurrent(event.attempt, (attempt) => this.#silent(attempt, event));
      case 'unreachable':
        return this.#ofCurrent(event.attempt, (attempt) => this.#unreachable(attempt, event.text));
      case 'unwatched':
        return this.#ofCurrent(event.attempt, (attempt) => this.#unwatched(attempt, event));
      case 'heldElsewhere':
        return this.#ofCurrent(event.attempt, (attempt) => {
          attempt.host = event.host;
          attempt.adopting = true;
          if (event.mayHaveBeaten === true) attempt.lastSignAt = this.now;
        });
      case 'adopting':
        return this.#ofCurrent(event.attempt, (attempt) => {
          attempt.adoptions += 1;
          attempt.unanswered = true;
        });
      case 'ended':
        return this.#ofCurrent(event.result.attempt, (attempt) => this.#ended(attempt, event.result, event.loginAgain));
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
      case 'slotReturned':
        // Also after the end: an ended bead gives back what it held.
        if (s.landing) {
          s.landing.slot = 'none';
          delete s.landing.fruitless;
        }
        if (s.wait?.for === 'grant') delete s.wait;
        return;
      case 'causeGone':
        if (!over && sharedCauseOf(s) !== undefined) this.#again('its rig says that the cause is gone');
        return;
      case 'askedSlot':
      case 'granted':
      case 'rigGone':
      case 'enqueued':
      case 'mergeEnded':
      case 'approve':
      case 'requestChanges':
      case 'offeredAgain':
        if (!over && s.landing) stepLanding(this.#hands, s.landing, event);
        else if (over && s.landing && event.type === 'rigGone') s.landing.slot = 'none';
        return;
      default:
        event satisfies never;
    }
  }

  /** Runs only for the attempt that owns the bead: what concerns another is a thing of the past. */
  #ofCurrent(attempt: string, run: (current: CurrentAttempt) => void): void {
    if (this.s.current?.id === attempt && !isFinal(this.s.status)) run(this.s.current);
  }

  #tell(text: string): void {
    this.s.story.push({ at: this.now, text: clip(text, 300) });
    if (this.s.story.length > limits.storyKept) this.s.story.splice(1, this.s.story.length - limits.storyKept);
  }

  #leaveNote(text: string): void {
    this.s.notes.push(clip(text, 500));
    if (this.s.notes.length > 20) this.s.notes.splice(0, this.s.notes.length - 20);
  }

  #dispatched(id: string): void {
    const { s, now } = this;
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
    if (s.landing) s.landing.slot = 'spent';
    s.wait = { for: 'slot', since: now, text: 'waits for a free agent slot' };
    s.reason = `attempt ${s.attemptCount} waits for a free agent slot`;
    this.#tell(`attempt ${s.attemptCount} (${id}) dispatched`);
  }

  #accepted(signal: AcceptedSignal, byHost: boolean): void {
    const attempt = this.s.current;
    if (attempt?.id !== signal.attempt || isFinal(this.s.status)) return this.#stray();
    // Once an agent may exist, only its own host speaks for the attempt.
    if (attempt.spawnedAt !== undefined && attempt.host !== undefined && attempt.host !== signal.host)
      return this.#stray();
    attempt.host = signal.host;
    attempt.acceptedAt ??= this.now;
    if (!byHost) {
      attempt.lastSignAt = this.now;
      this.#recover(attempt);
    }
    if (this.s.wait?.for === 'slot') delete this.s.wait;
    if (!attempt.stopping) this.s.reason = `attempt ${attempt.number} starts on ${signal.host}`;
  }

  #stray(): void {
    this.s.strays += 1;
  }

  #heartbeat(signal: HeartbeatSignal): void {
    const { s, now } = this;
    const attempt = s.current;
    if (attempt?.id !== signal.attempt || isFinal(s.status)) return this.#stray();
    // A host that does not hold the attempt cannot speak for it: the first claim counts.
    if (
      attempt.spawnedAt !== undefined &&
      attempt.host !== undefined &&
      signal.host !== undefined &&
      signal.host !== attempt.host
    )
      return this.#stray();

    s.heartbeats += 1;
    attempt.heartbeats += 1;
    attempt.acceptedAt ??= now;
    if (s.wait?.for === 'slot') delete s.wait;
    if (signal.host !== undefined) attempt.host = signal.host;
    if (attempt.spawnedAt === undefined) {
      attempt.spawnedAt = now;
      this.#tell(`attempt ${attempt.number}: agent up on ${attempt.host ?? 'its host'}`);
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
        attempt.pausedAt = this.now;
        attempt.pausedByActivity = true;
        return this.#tell('paused in the Web UI');
      case 'resumed':
        if (!attempt.pausedByActivity) return;
        attempt.pausedByActivity = false;
        if (!this.s.paused) this.#unfreeze(attempt);
        return this.#tell('unpaused in the Web UI');
      default:
        return kind satisfies never;
    }
  }

  /** Proof of life ends a suspicion at once; whether the adoption is still to come is another matter. */
  #recover(attempt: CurrentAttempt): void {
    if (attempt.suspectSince === undefined) return;
    const unheard = this.now - attempt.suspectSince;
    this.#tell(`${attempt.host ?? 'the host'} gave a sign of life after ${minutes(unheard)}`);
    delete attempt.suspectSince;
    this.#forgive(attempt, unheard);
  }

  /**
   * Silence proves nothing while nobody could be heard (and the lease may have frozen the agent): that time is taken
   * out of its clocks.
   */
  #forgive(attempt: CurrentAttempt, unheard: number): void {
    if (attempt.spawnedAt === undefined || attempt.pausedAt !== undefined) return;
    attempt.lastProgressAt = Math.min((attempt.lastProgressAt ?? attempt.spawnedAt) + unheard, this.now);
    attempt.pausedMs += unheard;
  }

  #outage(attempt: CurrentAttempt, ms: number): void {
    this.#tell(`nothing could be heard for ${minutes(ms)}: the server or the workers were away`);
    // A suspicion is taken out of the clocks as a whole when it ends.
    if (attempt.suspectSince === undefined) this.#forgive(attempt, ms);
    attempt.lastSignAt = Math.min(attempt.lastSignAt + ms, this.now);
  }

  #progress(attempt: CurrentAttempt): void {
    const { s, now } = this;
    attempt.firstProgressAt ??= now;
    attempt.lastProgressAt = now;
    // By the rule of earlier versions a word was enough.
    if (s.lossRule === undefined) s.used.infraLosses = 0;
    if (attempt.stalledAt !== undefined) {
      this.#tell(`working again after ${minutes(now - attempt.stalledAt)} stalled`);
      delete attempt.stalledAt;
      delete attempt.nudgedAt;
      if (s.attention === 'stalled') delete s.attention;
    }
  }

  #checkpoint(attempt: CurrentAttempt, checkpoint: BeadState['checkpoint']): void {
    if (checkpoint === undefined) return;
    attempt.checkpoint = checkpoint;
    this.s.checkpoint = checkpoint;
    if (checkpoint.gained !== true) return;
    attempt.saved = true;
    this.#workIsSafe();
  }

  /** Losses count only in a row. Words end no row, since a program that is killed right after its first one says it. */
  #workIsSafe(): void {
    if (this.s.lossRule === 'saved') this.s.used.infraLosses = 0;
  }

  #note(note: NoteSignal): void {
    const { s } = this;
    if (s.current?.id !== note.attempt || isFinal(s.status)) return this.#stray();
    this.#leaveNote(
      `attempt ${s.current.number} ${note.kind === 'escalation' ? 'asked for help' : 'noted'}: ${note.text}`,
    );
    this.#tell(`${note.kind === 'escalation' ? 'asks for help' : 'note'}: ${note.text}`);
    if (note.kind === 'escalation') s.attention = 'escalation';
  }

  #tick(): void {
    const { s, now } = this;
    const attempt = s.current;
    if (attempt === undefined) {
      if (s.wait?.for === 'backoff' && now >= s.wait.until) delete s.wait;
      return;
    }
    if (attempt.suspectSince !== undefined || attempt.stopping !== undefined || attempt.fencedOutSince !== undefined) {
      const silence = `host ${attempt.host ?? '(unknown)'} has been silent for ${minutes(now - attempt.lastSignAt)}`;
      if (now >= giveUpAt(s, attempt))
        this.#giveUp(
          attempt,
          attempt.trouble === undefined
            ? silence
            : `no sign of the attempt itself for ${minutes(now - attempt.lastSignAt)}: ${attempt.trouble}`,
        );
      return;
    }
    if (attempt.pausedAt !== undefined) return;
    const reached = (deadline: number | undefined): boolean => deadline !== undefined && now >= deadline;
    if (reached(maxRuntimeDeadline(s, attempt))) {
      this.#stop(attempt, 'timed_out', `the attempt ran longer than ${minutes(s.clocks.maxRuntime)}`);
    } else if (reached(lostDeadline(s, attempt))) {
      this.#stop(attempt, 'stalled', `no progress for ${minutes(s.clocks.lostAfter)}`);
    } else if (attempt.stalledAt === undefined && reached(stalledDeadline(s, attempt))) {
      attempt.stalledAt = now;
      attempt.nudgedAt = now;
      s.attention ??= 'stalled';
      s.reason = `attempt ${attempt.number} shows no progress`;
      this.#tell(`attempt ${attempt.number} stalled: nudged`);
      s.messages.push({
        id: `stalled-${attempt.id}-${s.heartbeats}`,
        from: 'heartbead',
        at: now,
        text: 'No progress of yours has been seen for a while. Go on with the work, report with `heartbead agent heartbeat`, or ask for help with `heartbead agent escalate`.',
      });
    }
  }

  #stop(attempt: CurrentAttempt, outcome: Outcome, reason: string): void {
    if (attempt.stopping !== undefined) return;
    attempt.stopping = { outcome, reason, at: this.now };
    this.s.reason = `attempt ${attempt.number} is being stopped: ${reason}`;
    this.#tell(`attempt ${attempt.number} is being stopped: ${reason}`);
  }

  #silent(attempt: CurrentAttempt, { details, unheard, byHost }: Extract<BeadEvent, { type: 'silent' }>): void {
    const { s, now } = this;
    // The last accepted beat was heartbeatTimeout ago at the latest: the give-up is counted from there. Without a beat
    // there was no sign: a host that takes every adoption and does nothing with it must not keep its bead waiting for
    // ever.
    if (unheard !== true && byHost !== true)
      attempt.lastSignAt = Math.max(attempt.lastSignAt, now - s.clocks.heartbeatTimeout);
    if (details?.attempt === attempt.id) {
      attempt.host = details.host;
      attempt.acceptedAt ??= now;
      if (details.checkpoint) this.#checkpoint(attempt, details.checkpoint);
      if (phaseMayHaveAgent(details.phase)) attempt.spawnedAt ??= now;
    }
    if (byHost === true && attempt.unanswered === true)
      attempt.trouble = `host ${attempt.host ?? '(unknown)'} takes up its adoptions, but its runner does not reach the server`;
    this.#suspect(attempt, attempt.trouble ?? 'its activity heartbeat stopped');
  }

  #suspect(attempt: CurrentAttempt, why: string): void {
    attempt.adopting = true;
    if (attempt.suspectSince === undefined) {
      attempt.suspectSince = this.now;
      this.#tell(`attempt ${attempt.number} is suspect: ${why}`);
    }
    if (!attempt.stopping) this.s.reason = `attempt ${attempt.number} is suspect: ${why}; adoption is tried`;
  }

  #unreachable(attempt: CurrentAttempt, text: string): void {
    // Behind the fence an agent may run there, and only time or the host can tell. Before it, provably none does:
    // nothing to wait for.
    if (attempt.spawnedAt === undefined) return this.#giveUp(attempt, `${text}; no agent had been spawned`);
    this.#suspect(attempt, text);
  }

  #unwatched(attempt: CurrentAttempt, { text, byHost, fenced }: Extract<BeadEvent, { type: 'unwatched' }>): void {
    if (fenced === true && attempt.spawnedAt === undefined) {
      attempt.fencedOutSince ??= this.now;
      attempt.trouble = clip(text, 300);
    }
    if (byHost === true) {
      // Counted from the attempt's own last sign: a host that takes up every adoption must not keep it alive.
      attempt.trouble = clip(text, 300);
      return this.#suspect(attempt, text);
    }
    // Beats may have been accepted up to this moment.
    attempt.lastSignAt = this.now;
    attempt.adopting = true;
    this.#tell(`attempt ${attempt.number} is to be adopted: ${text}`);
  }

  #giveUp(attempt: CurrentAttempt, why: string): void {
    const stopping = attempt.stopping;
    this.#ended(attempt, {
      attempt: attempt.id,
      outcome: stopping && attempt.spawnedAt === undefined ? stopping.outcome : 'lost',
      reason:
        stopping && attempt.spawnedAt !== undefined
          ? `${stopping.reason}; ${why}, so that its end is not confirmed (its lease has frozen the agent, and it ends when the host returns)`
          : why,
      host: attempt.host ?? 'unknown',
    });
  }

  #ended(attempt: CurrentAttempt, result: AttemptResult, loginAgain = false): void {
    const { s, now } = this;
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
      if (outcome !== 'done') this.#fruitless();
    }
    if (outcome !== 'auth_failed') delete s.used.logins;
    else if (loginAgain) s.used.logins = (s.used.logins ?? 0) + 1;
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
      ...(result.host !== 'unknown' ? { host: result.host } : attempt.host !== undefined ? { host: attempt.host } : {}),
      ...(attempt.spawnedAt !== undefined ? { spawnedAt: attempt.spawnedAt } : {}),
      ...(attempt.checkpoint ? { checkpoint: attempt.checkpoint } : {}),
      ...(result.branch !== undefined ? { branch: result.branch } : {}),
      ...(result.sha !== undefined ? { sha: result.sha } : {}),
      ...(attempt.firstProgressAt !== undefined ? { progress: true } : {}),
      ...(attempt.saved === true ? { saved: true } : {}),
      ...(s.landing?.version !== undefined ? { rigVersion: s.landing.version } : {}),
      ...(usage ? { usage } : {}),
      ...(result.session !== undefined ? { session: clip(result.session, 200) } : {}),
    };
    s.attempts = [...s.attempts, record].slice(-limits.attemptsKept);
    delete s.current;
    delete s.wait;
    if (s.attention === 'stalled') delete s.attention;
    this.#tell(`attempt ${attempt.number} ended ${outcome}: ${reason}`);
    if (outcome !== 'done') this.#leaveNote(`attempt ${attempt.number} ended ${outcome}: ${reason}`);
    if (result.summary !== undefined) s.summary = clip(result.summary);
    if (result.baseSha !== undefined) s.baseSha = result.baseSha;

    if (s.cancelling && outcome !== 'done')
      return this.#finish(
        'cancelled',
        outcome === 'lost' ? reason : 'cancelled by an operator; the agent is gone and its work is saved',
      );
    if (s.cancelling)
      return this.#finish(
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
        branch: attemptRefs.branch(s.bead, attempt.id),
        ...(attempt.vouchKey !== undefined ? { vouchKey: attempt.vouchKey } : {}),
      };
    if (outcome === 'push_refused' && result.branch !== undefined && result.sha !== undefined)
      s.unpushed = {
        attempt: attempt.id,
        host: record.host ?? 'unknown',
        branch: result.branch,
        sha: result.sha,
        tries: 0,
      };
    this.#goOn({
      outcome,
      reason,
      retryAfterMs: result.retryAfterMs,
    });
  }

  /** A paid attempt has led to no verified work: its rig counts them. */
  #fruitless(): void {
    const { landing } = this.s;
    if (landing) landing.fruitless = (landing.fruitless ?? 0) + 1;
  }

  /** A conversation that went on counts what it had used before. */
  #session(id: string, host: string, attempt: string, usage: Usage | undefined): void {
    const { s } = this;
    const before = s.session?.id === id ? s.session.usage : undefined;
    const all = usage ? addUsage(before, usage) : before;
    s.session = { id: clip(id, 200), adapter: s.agentSpec.adapter, attempt, host, usage: all };
  }

  #goOn(result: Pick<AttemptResult, 'outcome' | 'reason' | 'retryAfterMs'>): void {
    const { s, now } = this;
    const next = nextAfter(result, s.used, s.budgets);
    switch (next.do) {
      case 'verify':
        s.status = 'in_review';
        s.wait = { for: 'verification', since: now, text: 'the branch is looked up on the remote' };
        s.reason = 'the agent reported done; the evidence is being verified';
        return;
      case 'again': {
        const usedUp = usageProblem(s);
        if (usedUp !== undefined)
          return this.#block(
            `${usedUp}; the last attempt: ${next.text}`,
            'look at what it was used for (heartbead show), then retry the bead: its budget counts anew from there',
          );
        const delay = s.paceRule === 'spaced' ? Math.max(next.delay, nextPaidStart(s.paid) - now) : next.delay;
        s.reason =
          delay > 0
            ? `waits ${minutes(delay)} before the next attempt: ${next.text}`
            : `the next attempt follows: ${next.text}`;
        if (delay > 0) s.wait = { for: 'backoff', until: now + delay, text: next.text };
        return;
      }
      case 'block':
        return this.#block(next.reason, next.fix);
    }
  }

  #block(reason: string, fix: string): void {
    const { s } = this;
    s.wait = { for: 'person', since: this.now, text: clip(reason), fix };
    s.reason = clip(reason);
    s.attention = s.attention === 'escalation' ? 'escalation' : 'blocked';
    this.#tell(`blocked: ${reason}`);
  }

  #evidence(evidence: Evidence): void {
    const { s } = this;
    if (s.wait?.for !== 'verification') return;
    delete s.wait;
    switch (evidence.verdict) {
      case 'verified':
        return this.#close(evidence);
      case 'no_changes':
        s.used.agentFailures += 1;
        this.#amend('no_changes', 'agent', evidence.reason);
        this.#leaveNote(`you reported done, but ${evidence.reason}`);
        return this.#goOn({ outcome: 'no_changes', reason: evidence.reason });
      case 'unrelated':
        s.used.agentFailures += 1;
        this.#amend('agent_failed', 'agent', evidence.reason);
        delete s.branch;
        delete s.sha;
        this.#leaveNote(
          `you reported done, but ${evidence.reason}. Bring your changes onto the branch that you began with: its files can be taken from ${evidence.found} by \`git checkout ${evidence.found} -- PATH\``,
        );
        return this.#goOn({ outcome: 'agent_failed', reason: evidence.reason });
      case 'missing':
      case 'differs':
      case 'unvouched':
        s.used.infraLosses += 1;
        this.#amend('lost', 'infra', evidence.reason);
        delete s.branch;
        delete s.sha;
        this.#leaveNote(`the reported work was not found on the remote: ${evidence.reason}`);
        return this.#goOn({ outcome: 'lost', reason: evidence.reason });
    }
  }

  /** What the last attempt claimed has turned out otherwise. */
  #amend(outcome: Outcome, countedAs: 'agent' | 'infra', reason: string): void {
    const last = this.s.attempts.at(-1);
    if (last)
      this.s.attempts = [...this.s.attempts.slice(0, -1), { ...last, outcome, countedAs, reason: clip(reason) }];
    this.#fruitless();
    this.#tell(`no evidence: ${reason}`);
  }

  #close(evidence: Extract<Evidence, { verdict: 'verified' }>): void {
    const { s } = this;
    this.#workIsSafe();
    delete s.paid;
    if (s.landing) {
      s.status = 'in_review';
      return beginLanding(this.#hands, s.landing, evidence);
    }
    s.branch = evidence.branch;
    s.sha = evidence.sha;
    s.baseSha = evidence.baseSha;
    const commits = `${evidence.ahead} commit${evidence.ahead === 1 ? '' : 's'}`;
    this.#finish(
      'closed',
      `verified on the remote: ${evidence.branch} at ${evidence.sha.slice(0, 12)}, ${commits} ahead of its base`,
    );
  }

  #salvaged(evidence: Evidence | undefined): void {
    const { s } = this;
    if (s.salvage === undefined) return;
    const { attempt } = s.salvage;
    delete s.salvage;
    if (s.current !== undefined) return;
    if (evidence?.verdict === 'unvouched') return this.#unvouched(attempt, evidence);
    if (evidence?.verdict !== 'verified') return;
    this.#tell(`the lost attempt ${attempt} had finished its work and pushed it`);
    delete s.wait;
    this.#close(evidence);
  }

  /** What somebody else than its runner pushed is no proof that it is finished, but it is work to go on from. */
  #unvouched(attempt: string, { reason, found }: Extract<Evidence, { verdict: 'unvouched' }>): void {
    const { s } = this;
    this.#tell(`not taken as finished: ${reason}`);
    this.#leaveNote(`attempt ${attempt} was lost; ${reason}: it is not taken as finished work. Look at it and go on`);
    // A save of the runner's own is at least as new, unless it never got to one.
    if (s.checkpoint?.ref === attemptRefs.wip(s.bead, attempt)) return;
    s.checkpoint = { sha: found, ref: attemptRefs.branchRef(s.bead, attempt), wip: false };
  }

  #offered(answer: OfferWorkResult): void {
    const { s } = this;
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
      this.#tell(`the finished commits of attempt ${unpushed.attempt} are pushed now`);
      return this.#goOn({ outcome: 'done', reason: 'its finished commits are pushed' });
    }
    const tries = unpushed.tries + 1;
    s.unpushed = { ...unpushed, tries };
    return this.#goOn({
      outcome: 'push_refused',
      reason: clip(answer.reason),
      ...(answer.mayPass ? { retryAfterMs: backoff(tries) } : {}),
    });
  }

  #finish(status: 'closed' | 'cancelled' | 'failed', reason: string): void {
    const { s } = this;
    s.status = status;
    s.agent = 'none';
    s.reason = clip(reason);
    delete s.wait;
    delete s.attention;
    delete s.salvage;
    this.#tell(`${status}: ${reason}`);
  }

  #cancel(): void {
    const { s } = this;
    if (s.cancelling) return;
    s.cancelling = true;
    if (s.current === undefined && s.landing?.queuedSha !== undefined) {
      // The refinery may be at it right now: its answer decides, so that nothing merged is ever called cancelled.
      s.landing.withdrawing = true;
      s.reason = 'is being cancelled: the refinery is asked to take it out of the queue';
      return;
    }
    if (s.current === undefined) return this.#finish('cancelled', 'cancelled by an operator; no agent was running');
    if (s.current.stopping) {
      s.current.stopping = { ...s.current.stopping, reason: 'cancelled by an operator', outcome: 'stopped' };
    } else {
      this.#stop(s.current, 'stopped', 'cancelled by an operator');
    }
  }

  #pause(): void {
    const { s, now } = this;
    if (s.paused) return;
    s.paused = true;
    this.#tell('paused by an operator');
    if (s.current === undefined) return;
    // Not yet taken by a host: it is withdrawn from the queue, so that nothing spawns before the resume.
    if (s.current.acceptedAt === undefined)
      this.#stop(s.current, 'stopped', 'withdrawn from the queue: the bead was paused');
    else s.current.pausedAt ??= now;
  }

  #resume(): void {
    const { s } = this;
    if (!s.paused) return;
    s.paused = false;
    this.#tell('resumed by an operator');
    if (s.current && !s.current.pausedByActivity) this.#unfreeze(s.current);
  }

  /** The time of the pause is taken out of every clock. */
  #unfreeze(attempt: CurrentAttempt): void {
    if (attempt.pausedAt === undefined) return;
    const pause = this.now - attempt.pausedAt;
    delete attempt.pausedAt;
    if (attempt.spawnedAt !== undefined) {
      // Only the part of the pause after the spawn: before it no clock ran.
      const from = attempt.lastProgressAt ?? attempt.spawnedAt;
      attempt.lastProgressAt = Math.min(from + pause, this.now);
      attempt.pausedMs += pause;
    }
  }

  #retry(now: boolean): void {
    const { s } = this;
    const attempt = s.current;
    if (attempt !== undefined) {
      // An operator overrides the wait for an unreachable host; whoever returns is fenced.
      if (now && attempt.suspectSince !== undefined) this.#giveUp(attempt, 'given up by an operator (retry --now)');
      return;
    }
    if (s.wait?.for === 'person' || s.wait?.for === 'backoff') {
      if (s.landing) s.landing.retried = true;
      // Somebody wants them mended rather than offered once more.
      if (now) delete s.unpushed;
      return this.#again('retried by an operator');
    }
    // The rig is asked once more, and hears that somebody wants it.
    if (s.wait?.for === 'grant' && s.landing) {
      s.landing.retried = true;
      s.landing.slot = 'none';
      delete s.wait;
      this.#tell('retried by an operator');
    }
  }

  /** From the beginning, with fresh accounts. */
  #again(why: string): void {
    const { s } = this;
    s.used = { agentFailures: 0, infraLosses: 0, reworkRounds: 0 };
    delete s.paid;
    if (s.usage) s.usageAtRetry = s.usage;
    delete s.wait;
    delete s.attention;
    s.reason = why;
    this.#tell(why);
    if (s.landing) retryLanding(this.#hands, s.landing);
  }

  /** Status and agent status follow from the rest of the state; they are written here and nowhere else. */
  #derive(): void {
    const { s } = this;
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
