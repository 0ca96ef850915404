/**
 * A runner on a fake host, by the rules of the real one: its lease and its signals are decided by the very functions of
 * `src/runner`.
 * @module
 */
import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { attemptRefs } from '../contract/index.js';
import type {
  AttemptResult,
  BeadView,
  BeatDetails,
  BeatPhase,
  HeartbeatKind,
  HeartbeatSignal,
  Outcome,
} from '../contract/index.js';
import { judgeEnd } from '../runner/end/judge-end.js';
import { beatRenews, judgeOrphan, leaseIsOver, orphanEvery, renewLease } from '../runner/lease/lease.js';
import type { BeatAnswer, Lease } from '../runner/lease/lease.js';
import {
  emptyPlan,
  planDelivered,
  planAcknowledged,
  planLife,
  planProgress,
  signalDue,
} from '../runner/lease/signal-plan.js';
import type { SignalPlan } from '../runner/lease/signal-plan.js';
import type { Instant } from '../runner/instant.js';
import type { TaskInHand } from './task-in-hand.js';
import type { AgentLife } from './agent-census.js';
import { outcomeOf } from './agent-script.js';
import { FakeAgent } from './fake-agent.js';
import type { FakeAttempt } from './fake-attempt.js';
import type { FakeHost } from './fake-host.js';
import { FakeProcess } from './fake-process.js';
import { fakeSha } from './fake-remote.js';
import type { FakeRemote } from './fake-remote.js';

/** A runner that does not reach Temporal. */
class OutOfReach extends Error {}

export class FakeRunner {
  readonly process: FakeProcess;
  readonly #holds = new Set<'lease' | 'operator'>();
  #lease: Lease;
  #plan: SignalPlan = emptyPlan;
  /** Undefined while nobody has adopted it. */
  #task: TaskInHand | undefined;
  #agent: FakeAgent | undefined;
  #life: AgentLife | undefined;
  #stopping: { outcome: Outcome; reason: string } | undefined;
  #stopped: ((result: AttemptResult) => void)[] = [];
  #lastTry = 0;
  #lastSaved = 0;
  #heardUntil = 0;
  #doneAgainAt = 0;
  #saves = 0;
  /** Its agent has changed a file. */
  #gained = false;
  /** Unsaved changes lie in the worktree of a dead runner. */
  #left = false;
  #disarm: () => void = () => undefined;

  constructor(
    private readonly host: FakeHost,
    private readonly attempt: FakeAttempt,
  ) {
    this.process = new FakeProcess(host.clock);
    this.#lease = { renewedAt: { wall: host.clock.now() + host.clockOff, mono: host.clock.now() } };
    this.#task = attempt.task;
  }

  get #now(): number {
    return this.host.clock.now();
  }

  /** This moment by the host's two clocks, of which people set only the one on the wall. */
  get #instant(): Instant {
    return { wall: this.#now + this.host.clockOff, mono: this.#now };
  }

  get frozen(): boolean {
    return this.#holds.has('lease');
  }

  /** Without a valid token. */
  get orphan(): boolean {
    return this.#task === undefined;
  }

  /** Before anything is spawned: one recorded beat, then one delivered signal. */
  async fence(): Promise<'fenced' | 'refused' | 'cancelled' | 'unreachable'> {
    const answer = await this.#beat('spawning', 'takes the lease');
    if (answer !== 'recorded') return answer === 'paused' ? 'unreachable' : answer;
    try {
      await this.#send('start');
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'refused';
      return this.host.runnersConnected ? Promise.reject(error as Error) : 'unreachable';
    }
    this.#spawn();
    return 'fenced';
  }

  /** A new token: whoever watches now is answered at once. */
  async adopt(task: TaskInHand): Promise<void> {
    this.#task = task;
    this.#plan = planLife(this.#plan, 'adopted');
    await this.#look(true);
  }

  /** SIGTERM, SIGKILL after `stopGrace`; the work is saved. Resolves (in virtual time) when no process is left. */
  stop(outcome: Outcome, reason: string): Promise<AttemptResult> {
    if (this.attempt.result) return Promise.resolve(this.attempt.result);
    return new Promise((resolve) => {
      this.#stopped.push(resolve);
      this.#beginStop(outcome, reason);
    });
  }

  #beginStop(outcome: Outcome, reason: string): void {
    if (this.#stopping) return;
    this.#stopping = { outcome, reason };
    this.#holds.clear();
    this.#setAgent();
    const patience = this.attempt.plan.ignoresSigterm ? this.attempt.input.clocks.stopGrace : 0;
    this.process.at(this.#now + patience, () => this.#end({ outcome, reason }));
  }

  pause(paused: boolean): void {
    if (paused) this.#holds.add('operator');
    else this.#holds.delete('operator');
    this.#setAgent();
    this.#arm();
  }

  deliver(id: string): void {
    this.#agent?.hear();
    if (this.attempt.plan.heedsMessages) this.#plan = planAcknowledged(this.#plan, [id]);
    this.#arm();
  }

  /** The lease is looked at often, also between two beats. */
  clockMoved(): void {
    this.process.at(this.#now, () => this.#look(false));
  }

  /** SIGKILL of runner and agent: nothing is recorded; the worktree stays. */
  kill(): void {
    this.#left ||= this.process.alive && this.#worked();
    this.process.kill();
    this.#endAgent();
  }

  #spawn(): void {
    const { bead, attempt } = this.attempt.input;
    this.#agent = new FakeAgent(this.host.clock, this.attempt.plan);
    this.#life = this.host.census.spawned(bead, attempt, this.host.id);
    this.host.note(bead, 'spawn', `agent of ${attempt} on ${this.host.id}`);
    this.#lastTry = this.#lastSaved = this.#heardUntil = this.#now;
    this.#arm();
  }

  /** One appointment, at the first thing that is due. */
  #arm(): void {
    this.#disarm();
    if (!this.process.alive) return;
    const { clocks } = this.attempt.input;
    const due = [this.#lastTry + (this.#task ? this.host.beatStep(clocks) : orphanEvery(clocks))];
    if (!this.attempt.result && this.#agent?.alive) {
      if (!this.#holds.has('lease')) due.push(this.#lease.renewedAt.mono + clocks.leaseFor);
      due.push(this.#lastSaved + clocks.checkpointEvery);
      const ends = this.#agent.endsAt();
      if (ends !== undefined && !this.#stopping) due.push(Math.max(ends, this.#doneAgainAt));
      const speaks = this.#agent.speaksAfter(this.#heardUntil);
      if (speaks !== undefined && this.host.runnersConnected)
        due.push(Math.max(speaks, (this.#plan.sentAt?.mono ?? 0) + clocks.signalEvery));
    }
    if (this.#plan.life.length + this.#plan.acknowledged.length > 0 && this.host.runnersConnected) due.push(this.#now);
    const first = Math.min(...due);
    // What falls within the same second is done in one go: every stop of the clock costs real time, and so late a beat
    // harms nobody.
    this.#disarm = this.process.at(Math.max(...due.filter((at) => at < first + 1_000)), () => this.#look(false));
  }

  /** Does all that is due. */
  async #look(now: boolean): Promise<void> {
    const { clocks } = this.attempt.input;
    const agent = this.#agent;
    if (agent?.alive && !this.attempt.result) {
      const ends = agent.endsAt();
      if (
        ends !== undefined &&
        ends <= this.#now &&
        this.#doneAgainAt <= this.#now &&
        !this.#stopping &&
        (await this.#endOfAgent())
      )
        return;
      if (this.#now >= this.#lastSaved + clocks.checkpointEvery) this.#save();
    }
    const every = this.#task ? this.host.beatStep(clocks) : orphanEvery(clocks);
    if (now || this.#now >= this.#lastTry + every) {
      this.#lastTry = this.#now;
      if (this.attempt.result && this.#task) await this.#report();
      else if (this.#task) await this.#renewByBeat();
      else await this.#renewAsOrphan();
    }
    if (!this.attempt.result && leaseIsOver(this.#lease, this.#instant, clocks) && !this.#holds.has('lease')) {
      this.#save();
      this.#holds.add('lease');
      this.#setAgent();
      this.host.note(this.attempt.input.bead, 'freeze', 'the lease is over: frozen');
    }
    await this.#tell();
    this.#arm();
  }

  async #renewByBeat(): Promise<void> {
    const sent = this.#instant;
    const phase: BeatPhase = this.#stopping
      ? 'stopping'
      : this.#holds.has('lease')
        ? 'frozen'
        : this.#holds.has('operator')
          ? 'paused'
          : 'running';
    const answer = await this.#beat(phase, phase);
    if (beatRenews(answer)) this.#renewed(sent);
    if (answer === 'cancelled') this.#beginStop('stopped', 'the bead cancelled the attempt');
    if (answer === 'refused') {
      this.#task = undefined;
      this.#lastTry = 0;
    }
  }

  #renewed(sent: Instant): void {
    this.#lease = renewLease(this.#lease, sent);
    if (this.#holds.delete('lease')) this.host.note(this.attempt.input.bead, 'thaw', 'the lease is renewed: goes on');
    this.#setAgent();
  }

  async #renewAsOrphan(): Promise<void> {
    const { bead, attempt } = this.attempt.input;
    const sent = this.#instant;
    try {
      const before: BeadView = await this.#ask(bead);
      await this.#send('orphan');
      const after = await this.#ask(bead);
      const verdict = judgeOrphan(before, after, attempt);
      if (verdict === 'renewed') this.#renewed(sent);
      if (verdict === 'moved_on') this.#movedOn();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) this.#movedOn();
      else if (this.host.runnersConnected) throw error;
    }
  }

  /** The bead has no use for this attempt any more: the work is saved on its own ref, the agent ends. */
  #movedOn(): void {
    this.host.note(this.attempt.input.bead, 'moved-on', `${this.attempt.input.attempt} is not wanted any more`);
    this.#save();
    this.#endAgent();
    this.attempt.result ??= this.#result({ outcome: 'stopped', reason: 'the bead has moved on' });
    this.#answerStops();
    this.process.kill();
  }

  /** @returns whether it has ended. */
  async #endOfAgent(): Promise<boolean> {
    const { ends, retryAfter } = this.attempt.plan;
    const { bead, attempt } = this.attempt.input;
    // Without the remote, `done` is refused and the agent tries again.
    if (ends === 'done' && !this.host.remoteInReach) {
      this.#doneAgainAt = this.#now + 10_000;
      return false;
    }
    const { remote } = this.host;
    if (ends === 'done' && remote.refuses !== undefined) {
      await this.#end(this.#kept(remote.refuses));
      return true;
    }
    const how: Partial<AttemptResult> & { outcome: Outcome; reason: string } = outcomeOf(ends);
    if (ends === 'done') {
      const sha = fakeSha(bead, attempt, 'done');
      this.host.remote.push(attemptRefs.branchRef(bead, attempt), sha);
      Object.assign(how, { branch: attemptRefs.branch(bead, attempt), sha });
    }
    if (retryAfter !== undefined) how.retryAfterMs = retryAfter;
    await this.#end(how);
    return true;
  }

  /** What a runner says of finished commits that the remote did not take to the very end. */
  #kept(refused: NonNullable<FakeRemote['refuses']>): AttemptResult {
    const { bead, attempt } = this.attempt.input;
    const [branch, sha] = [attemptRefs.branch(bead, attempt), fakeSha(bead, attempt, 'done')];
    const kept = { branch, sha, reason: `refused ${refused}`, mayPass: refused === 'for now' };
    return judgeEnd({ attempt, host: this.host.id, kept });
  }

  async #end(how: Partial<AttemptResult> & { outcome: Outcome; reason: string }): Promise<void> {
    if (this.attempt.result) return;
    this.#save();
    this.#endAgent();
    this.attempt.result = this.#result(how);
    await this.#report();
    this.#answerStops();
  }

  #answerStops(): void {
    const { result } = this.attempt;
    if (result) for (const stopped of this.#stopped.splice(0)) stopped(result);
  }

  #result(how: Partial<AttemptResult> & { outcome: Outcome; reason: string }): AttemptResult {
    const { checkpoint } = this.attempt;
    return {
      attempt: this.attempt.input.attempt,
      host: this.host.id,
      baseSha: this.host.remote.baseSha,
      checkpoint,
      ...how,
    };
  }

  /** The result is on disk; now it is told. What cannot be told now is asked for by adoption, or told later. */
  async #report(): Promise<void> {
    const { result } = this.attempt;
    const task = this.#task;
    if (!result || !task) return this.#arm();
    if (this.host.losesReport()) return this.process.kill();
    const answer = await this.#call(() =>
      task.activity.cancelRequested ? task.reportCancellation(result) : task.complete(result),
    );
    if (answer === 'refused') {
      this.#task = undefined;
      this.#lastTry = 0;
    }
    if (answer === 'recorded' && this.host.repeatsReport())
      this.host.note(this.attempt.input.bead, 'reported-again', await this.#call(() => task.complete(result)));
    if (answer === 'recorded') this.process.kill();
    else this.#arm();
  }

  async #beat(phase: BeatPhase, text: string): Promise<BeatAnswer> {
    const task = this.#task;
    if (!task) return 'refused';
    const { checkpoint } = this.attempt;
    const details: BeatDetails = {
      host: this.host.id,
      attempt: this.attempt.input.attempt,
      phase,
      text,
      checkpoint,
    };
    const answer = await this.#call(() => task.beat(details));
    if (beatRenews(answer)) this.host.note(this.attempt.input.bead, 'beat', text);
    return answer;
  }

  /** Sends what is due by the signal plan. */
  async #tell(): Promise<void> {
    const speaks = this.#agent?.speaksAfter(this.#heardUntil);
    if (speaks !== undefined && speaks <= this.#now) {
      this.#heardUntil = this.#now;
      this.#plan = planProgress(this.#plan, 'output', 'works');
    }
    for (;;) {
      const due = signalDue(this.#plan, this.#instant, this.attempt.input.clocks);
      if (due === undefined || !('kind' in due) || !this.host.runnersConnected) return;
      const sent = this.#plan;
      const at = this.#instant;
      try {
        await this.#send(due.kind, sent.acknowledged);
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return this.#movedOn();
        throw error;
      }
      this.#plan = planDelivered(this.#plan, sent, due.kind, at);
    }
  }

  async #send(kind: HeartbeatKind, acknowledged: readonly string[] = []): Promise<void> {
    const { bead, attempt } = this.attempt.input;
    const { checkpoint } = this.attempt;
    const signal: HeartbeatSignal = {
      attempt,
      host: this.host.id,
      kind,
      checkpoint,
      acknowledged: acknowledged.length > 0 ? [...acknowledged] : undefined,
    };
    await this.#signal(bead, 'heartbeat', signal);
    this.host.note(bead, 'signal', kind);
  }

  /** What the agent of a killed runner has left in the worktree. */
  saveLeft(): void {
    if (this.#left) this.#save();
  }

  /** Whether the agent has changed a file since the last save. */
  #worked(): boolean {
    const spoke = this.#agent?.speaksAfter(this.#lastSaved);
    return this.#left || (spoke !== undefined && spoke <= this.#now && !this.attempt.plan.changesNothing);
  }

  #call(run: () => Promise<void>): Promise<BeatAnswer> {
    return this.host.runnersConnected ? this.host.call(run) : Promise.resolve('unreachable');
  }

  #ask(bead: string): Promise<BeadView> {
    return this.host.runnersConnected ? this.host.ask(bead) : Promise.reject(new OutOfReach());
  }

  #signal(bead: string, name: string, payload: unknown): Promise<void> {
    return this.host.runnersConnected ? this.host.signal(bead, name, payload) : Promise.reject(new OutOfReach());
  }

  /** A wip commit, when the agent has done something since the last one. */
  #save(): void {
    const { bead, attempt } = this.attempt.input;
    const worked = this.#worked();
    this.#gained ||= worked;
    const changed = this.#saves === 0 || worked;
    this.#lastSaved = this.#now;
    if (!changed || !this.host.remoteInReach || !this.#life) return;
    this.#saves += 1;
    const ref = attemptRefs.wip(bead, attempt);
    const sha = fakeSha(bead, attempt, 'wip', this.#saves);
    this.host.remote.push(ref, sha);
    this.attempt.checkpoint = { sha, ref, wip: true, gained: this.#gained };
  }

  #setAgent(): void {
    const agent = this.#agent;
    if (!agent?.alive || !this.#life) return;
    const still = this.#holds.size > 0;
    if (still === agent.stopped) return;
    if (still) agent.stop();
    else agent.continue();
    this.host.census.frozen(this.#life, still);
  }

  #endAgent(): void {
    if (!this.#agent?.alive) return;
    this.#agent.end();
    if (this.#life) this.host.census.ended(this.#life);
    this.host.note(this.attempt.input.bead, 'end', `agent of ${this.attempt.input.attempt} ended`);
  }
}

/** @returns what an answer of the client's `activity` methods means to a runner. */
export function answerOf(error: unknown): BeatAnswer {
  if (error === undefined) return 'recorded';
  if (error instanceof ActivityNotFoundError) return 'refused';
  if (error instanceof ActivityCancelledError) return 'cancelled';
  throw error;
}
