/**
 * A host as the bead sees one: a worker that takes attempts and prepares them, and runners that outlive it. Everything
 * that can go wrong with a machine is a method.
 * @module
 */
import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { attemptRefs, failureTypes, isFinal } from '../contract/index.js';
import type {
  BeadView,
  BeatDetails,
  BeatPhase,
  Clocks,
  DeliverInput,
  HostAttemptInput,
  OfferWorkInput,
  OfferWorkResult,
  PauseAttemptInput,
  StartAgentInput,
  StopAttemptInput,
  StopAttemptResult,
} from '../contract/index.js';
import { judgeEnd } from '../runner/end/judge-end.js';
import type { FenceRefusal } from '../runner/lease/fence.js';
import type { BeatAnswer } from '../runner/lease/lease.js';
import { RequestRefused } from '../runner/sockets/request-refused.js';
import type { Clock } from './clock.js';
import type { AgentCensus } from './agent-census.js';
import { planOf } from './agent-script.js';
import type { AgentScript } from './agent-script.js';
import type { FakeAttempt } from './fake-attempt.js';
import { FakeProcess } from './fake-process.js';
import type { FakeRemote } from './fake-remote.js';
import type { TaskInHand } from './task-in-hand.js';
import { outOfReach } from './fake-line.js';
import { VirtualRunner } from './virtual-runner.js';
import { FakeWork, refusalOf } from './fake-work.js';

/** What a host needs of the town it stands in. */
export interface HostContext {
  readonly clock: Clock;
  readonly census: AgentCensus;
  readonly remote: FakeRemote;
  /** Distance of the runner's beats; coarser than the real ones where only their being there matters. */
  beatStep(clocks: Clocks): number;
  ask(bead: string): Promise<BeadView>;
  signal(bead: string, name: string, payload: unknown): Promise<void>;
  script(input: StartAgentInput): AgentScript;
  note(bead: string, kind: string, text: string): void;
  /** A host takes tasks again that it did not take before. */
  wake(): void;
  /**
   * Resolves when what an instant has set going has come to rest. Absent where calls take no time.
   * @param calls those to the server that are under way on the host; others may follow.
   */
  rest?(calls: ReadonlySet<Promise<unknown>>): Promise<void>;
  /** Hears of faults of the kit at once, where nothing is waited for. */
  failed?(error: unknown): void;
  /** Temporal cannot be reached from anywhere. */
  readonly serverAway?: boolean;
}

export class FakeHost {
  readonly attempts = new Map<string, FakeAttempt>();
  readonly clock: Clock;
  readonly census: AgentCensus;
  readonly remote: FakeRemote;
  #worker: FakeProcess;
  #temporal = true;
  #remote = true;
  #loseReports = 0;
  #repeatReports = 0;
  /** Milliseconds by which its wall clock differs from virtual time. */
  clockOff = 0;
  #holdsPoll = false;
  #hangs = false;
  #runnersCutOff = false;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #tokens = new WeakMap<TaskInHand, Uint8Array>();
  readonly #tasks = new WeakMap<Uint8Array, TaskInHand>();
  #trouble: unknown;

  constructor(
    readonly id: string,
    readonly maxAgents: number,
    private readonly town: HostContext,
  ) {
    this.clock = town.clock;
    this.census = town.census;
    this.remote = town.remote;
    this.#worker = this.process();
  }

  /**
   * SIGSTOP of the worker: it polls nothing and prepares nothing. Its runners are other processes. `holdsPoll`: one
   * task still reaches it, and rests there.
   */
  freezeWorker(options: { holdsPoll?: boolean } = {}): void {
    this.#worker.stop();
    this.#holdsPoll = options.holdsPoll === true;
  }

  /** SIGCONT. */
  thawWorker(): void {
    if (this.#hangs) return;
    this.#holdsPoll = false;
    this.#worker.continue();
    this.town.wake();
  }

  /** SIGKILL of the worker. What it was preparing stays half done. */
  killWorker(): void {
    this.#worker.kill();
    this.#hangs = false;
    for (const attempt of this.attempts.values()) attempt.preparing = false;
  }

  /** The worker hangs: it goes on taking tasks, and never does anything with them. A new worker process ends that. */
  hangWorker(): void {
    this.#hangs = true;
    this.#worker.stop();
  }

  /** A new worker process on the same state directory. It finds the runners that died meanwhile. */
  startWorker(): void {
    this.killWorker();
    this.#worker = this.process();
    this.#watchRunners();
    this.town.wake();
  }

  /** Neither Temporal nor (unless told otherwise) the remote can be reached; everything on the host goes on. */
  partition(options: { remoteToo?: boolean } = {}): void {
    this.#temporal = false;
    this.#remote = options.remoteToo === false;
  }

  /**
   * Its runners do not reach Temporal any more, and its worker does: the key of the server was changed, say, and only
   * the worker has the new one.
   */
  cutOffRunners(): void {
    this.#runnersCutOff = true;
  }

  heal(): void {
    this.#runnersCutOff = false;
    this.#temporal = true;
    this.#remote = true;
    this.town.wake();
  }

  /** The power fails: every process is gone, the disk stays. */
  die(): void {
    this.killWorker();
    this.#temporal = false;
    for (const attempt of this.attempts.values()) attempt.runner?.kill();
  }

  /** The machine boots; whatever still ran on it is gone. `emptyDisk`: it is a new one under the old id. */
  revive(options: { emptyDisk?: boolean } = {}): void {
    this.die();
    if (options.emptyDisk === true) this.attempts.clear();
    this.heal();
    this.startWorker();
  }

  /** SIGKILL of an attempt's runner and agent. The worker, if one runs, sees it within a second. */
  killRunner(bead: string): void {
    for (const attempt of this.attempts.values()) if (attempt.input.bead === bead) attempt.runner?.kill();
    this.#watchRunners();
  }

  /**
   * Somebody sets the clock on its wall, by so many milliseconds (negative: back). The monotonic one, and everybody
   * else's, goes on as before.
   */
  setClock(byMs: number): void {
    this.clockOff += byMs;
    for (const attempt of this.attempts.values()) attempt.runner?.clockMoved();
  }

  /** The next result is told twice. */
  repeatNextReport(): void {
    this.#repeatReports += 1;
  }

  /** The next result is written down, and then the runner dies before it can tell. */
  loseNextReport(): void {
    this.#loseReports += 1;
  }

  // ---- for the town and the runners

  /** @returns whether it takes tasks from its own queue now. */
  get polls(): boolean {
    return this.connected && (this.#worker.running || (this.#worker.alive && (this.#holdsPoll || this.#hangs)));
  }

  get hasFreePlace(): boolean {
    const living = [...this.attempts.values()].filter(
      ({ preparing, runner }) => preparing || runner?.process.alive === true,
    );
    return living.length < this.maxAgents;
  }

  get connected(): boolean {
    return this.#temporal && this.town.serverAway !== true;
  }

  /** Whether a runner on it reaches Temporal. */
  get runnersConnected(): boolean {
    return this.connected && !this.#runnersCutOff;
  }

  get remoteInReach(): boolean {
    return this.#remote;
  }

  repeatsReport(): boolean {
    if (this.#repeatReports === 0) return false;
    this.#repeatReports -= 1;
    return true;
  }

  losesReport(): boolean {
    if (this.#loseReports === 0) return false;
    this.#loseReports -= 1;
    return true;
  }

  /** @returns a new process on it. */
  process(): FakeProcess {
    return new FakeProcess(this.clock, this.town.rest && (() => this.rest()));
  }

  /** @throws what has gone wrong meanwhile where nobody waits for an answer. */
  async rest(): Promise<void> {
    await this.town.rest?.(this.#calls);
    const trouble = this.#trouble;
    this.#trouble = undefined;
    if (trouble !== undefined) throw trouble;
  }

  /** A fault of the kit or of its server; undefined for none. */
  trouble(error: unknown): void {
    if (error !== undefined) this.town.failed?.(error);
    this.#trouble ??= error;
  }

  /** A call to the server, for which virtual time waits. */
  track<T>(call: Promise<T>): Promise<T> {
    if (this.town.rest === undefined) return call;
    const over = (): boolean => this.#calls.delete(call);
    this.#calls.add(call);
    call.then(over, over);
    return call;
  }

  /** @returns a task's token, always the same one. */
  tokenOf(task: TaskInHand): Uint8Array {
    let token = this.#tokens.get(task);
    if (token === undefined) {
      token = new Uint8Array(1);
      this.#tokens.set(task, token);
      this.#tasks.set(token, task);
    }
    return token;
  }

  /** @throws {Error} when nobody has ever had such a task here. */
  taskOf(token: Uint8Array): TaskInHand {
    const task = this.#tasks.get(token);
    if (task === undefined) throw new Error('no task has this token');
    return task;
  }

  beatStep(clocks: Clocks): number {
    return this.town.beatStep(clocks);
  }

  note(bead: string, kind: string, text: string): void {
    this.town.note(bead, kind, text);
  }

  async ask(bead: string): Promise<BeadView> {
    if (!this.connected) throw outOfReach;
    return this.town.ask(bead);
  }

  async signal(bead: string, name: string, payload: unknown): Promise<void> {
    if (!this.connected) throw outOfReach;
    await this.town.signal(bead, name, payload);
  }

  /** A call about an activity, as its answer means to a runner. */
  async call(run: () => Promise<void>): Promise<BeatAnswer> {
    if (!this.connected) return 'unreachable';
    return this.track(run()).then(() => answerOf(undefined), answerOf);
  }

  /** Does a task of any of its queues. Longer things go on by appointment. */
  async serve(task: TaskInHand): Promise<void> {
    await this.#serve(task);
    await this.rest();
  }

  async #serve(task: TaskInHand): Promise<void> {
    if (this.#hangs) return;
    if (!this.#worker.running) {
      // A task that came into the hands of a frozen worker is looked at when it thaws.
      this.#holdsPoll = false;
      this.#worker.at(this.clock.now(), () => this.#serve(task));
      return;
    }
    switch (task.type) {
      case 'startAgent':
        return this.#startAgent(task, task.input as StartAgentInput);
      case 'stopAttempt':
        return this.#stopAttempt(task, task.input as StopAttemptInput);
      case 'pauseAttempt':
        return this.#withRunner(task, task.input as PauseAttemptInput, (runner) =>
          runner.pause((task.input as PauseAttemptInput).paused),
        );
      case 'deliverMessage':
        return this.#withRunner(task, task.input as DeliverInput, (runner) =>
          runner.deliver((task.input as DeliverInput).message),
        );
      case 'offerWork':
        return this.#answer(task, this.#offer(task.input as OfferWorkInput));
      default:
        await this.#refuse(task, failureTypes.badInput, `a fake host has no activity ${task.type}`);
    }
  }

  async #startAgent(task: TaskInHand, input: StartAgentInput): Promise<void> {
    const known = this.attempts.get(input.attempt);
    if (known !== undefined) return this.#adopt(task, known);
    if (input.mode === 'adopt')
      return this.#refuse(
        task,
        failureTypes.noSuchAttempt,
        `host ${this.id} knows nothing of attempt ${input.attempt}`,
      );
    await this.signal(input.bead, 'accepted', { attempt: input.attempt, host: this.id });
    const { current, status } = await this.ask(input.bead);
    if (current?.id !== input.attempt || isFinal(status))
      return this.#refuse(task, failureTypes.runnerRefused, 'the bead has moved on');
    if (current.spawnedAt !== undefined && current.host !== undefined && current.host !== this.id) {
      return this.#refuse(task, failureTypes.heldElsewhere, `host ${current.host} holds it`, { host: current.host });
    }
    const plan = planOf(this.town.script(input));
    const work = new FakeWork(this, input, plan.ends === 'no_changes');
    const attempt: FakeAttempt = { input, plan, work, task, prepared: 0, preparing: false };
    this.attempts.set(input.attempt, attempt);
    this.note(input.bead, 'accepted', `${input.attempt} on ${this.id}`);
    await this.#prepare(attempt, task);
  }

  /** Look before acting: whatever there is of the attempt is taken over, never doubled. */
  async #adopt(task: TaskInHand, attempt: FakeAttempt): Promise<void> {
    this.note(attempt.input.bead, 'adoption', `${attempt.input.attempt} on ${this.id}`);
    if (attempt.result) return this.#answer(task, attempt.result);
    if (attempt.preparing) {
      attempt.waiting = task;
      return;
    }
    if (attempt.runner === undefined) {
      // The bead hears that the start goes on, which no agent can tell it yet.
      if (this.connected)
        await this.signal(attempt.input.bead, 'accepted', { attempt: attempt.input.attempt, host: this.id });
      return this.#prepare(attempt, task);
    }
    if (attempt.runner.process.alive) {
      // The worker tries the token before it hands it over.
      const text = `taken by ${this.id}`;
      const answer = await this.call(() =>
        task.beat({ host: this.id, attempt: attempt.input.attempt, phase: 'accepted', text } satisfies BeatDetails),
      );
      return answer === 'recorded' ? this.#handOver(task, attempt.runner) : undefined;
    }
    attempt.task = task;
    await this.#reap(attempt);
  }

  /** Where a runner does not take the token, the bead hears no more than that; it asks again. */
  async #handOver(task: TaskInHand, runner: VirtualRunner): Promise<void> {
    try {
      const answer = await runner.adopt(task);
      if (!answer.adopted) await this.#answer(task, answer.result);
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      await this.#refuse(task, failureTypes.runnerRefused, error.message);
    }
  }

  async #prepare(attempt: FakeAttempt, task: TaskInHand): Promise<void> {
    attempt.task = task;
    attempt.preparing = true;
    await this.#prepareOn(attempt, this.clock.now());
  }

  /** One step of the cold start: a beat, and an appointment for the next step. */
  async #prepareOn(attempt: FakeAttempt, since: number): Promise<void> {
    const { input, plan } = attempt;
    const worker = this.#worker;
    attempt.prepared += this.clock.now() - since;
    const left = plan.coldStart - attempt.prepared;
    if (left <= 0) return this.#spawn(attempt);
    const share = attempt.prepared / plan.coldStart;
    const phase: BeatPhase = attempt.prepared === 0 ? 'accepted' : share < 0.8 ? 'cloning' : 'worktree';
    const details: BeatDetails = {
      host: this.id,
      attempt: input.attempt,
      phase,
      text: phase === 'cloning' ? `cloning ${Math.round(share * 125)} %` : phase,
    };
    const answer = await this.call(() => attempt.task.beat(details));
    if (answer === 'recorded') this.note(input.bead, 'beat', details.text);
    if (answer === 'refused') return this.#preparationEnded(attempt);
    if (answer === 'cancelled') return this.#brokenOff(attempt);
    const from = this.clock.now();
    worker.at(from + Math.min(left, this.beatStep(input.clocks)), () =>
      attempt.preparing ? this.#prepareOn(attempt, from) : undefined,
    );
  }

  /** The token is dead: whoever has asked for adoption meanwhile goes on from here. */
  async #preparationEnded(attempt: FakeAttempt): Promise<void> {
    attempt.preparing = false;
    const { waiting } = attempt;
    delete attempt.waiting;
    if (waiting) await this.#prepare(attempt, waiting);
  }

  async #brokenOff(
    attempt: FakeAttempt,
    how: Pick<StopAttemptInput, 'outcome' | 'reason'> = {
      outcome: 'stopped',
      reason: 'stopped before an agent was spawned',
    },
  ): Promise<void> {
    const { task } = attempt;
    attempt.preparing = false;
    attempt.result = { attempt: attempt.input.attempt, host: this.id, ...how };
    await this.call(() =>
      task.activity.cancelRequested ? task.reportCancellation(attempt.result) : task.complete(attempt.result),
    );
  }

  /** Boots the runner. It outlives the worker, to which it tells only that there will be no agent. */
  #spawn(attempt: FakeAttempt): void {
    const worker = this.#worker;
    const runner = new VirtualRunner(this, attempt);
    attempt.preparing = false;
    attempt.runner = runner;
    const { waiting } = attempt;
    delete attempt.waiting;
    if (waiting !== undefined) worker.at(this.clock.now(), () => this.#adopt(waiting, attempt));
    runner.run().then(
      (refused) => refused && worker.at(this.clock.now(), () => this.#notStarted(attempt, refused)),
      (error: unknown) => this.trouble(error),
    );
  }

  async #notStarted(attempt: FakeAttempt, { because, refused }: FenceRefusal): Promise<void> {
    delete attempt.runner;
    const { attempt: id } = attempt.input;
    switch (because) {
      case 'cancelled':
        return this.#brokenOff(attempt);
      // Somebody may adopt it: the worktree is ready and stays.
      case 'token':
      case 'unreachable':
        return this.#refuse(attempt.task, failureTypes.runnerRefused, refused, { fence: because });
      default:
        this.attempts.delete(id);
        return this.#refuse(attempt.task, failureTypes.runnerRefused, refused);
    }
  }

  async #stopAttempt(task: TaskInHand, input: StopAttemptInput): Promise<void> {
    const attempt = this.attempts.get(input.attempt);
    const answer = (more: Partial<StopAttemptResult> = {}): Promise<void> =>
      this.#answer(task, { confirmed: true, ...more });
    if (attempt === undefined) return answer();
    if (attempt.result) return answer({ result: attempt.result });
    if (attempt.runner === undefined || !attempt.runner.process.alive) {
      if (attempt.runner) await this.#reap(attempt);
      else await this.#brokenOff(attempt, { outcome: input.outcome, reason: input.reason });
      return answer(attempt.result ? { result: attempt.result } : {});
    }
    const { runner } = attempt;
    // Not awaited here: it takes virtual time, and the clock waits for this answer.
    void runner
      .stop({ outcome: input.outcome, reason: input.reason })
      .then((result) => this.clock.at(this.clock.now(), () => answer({ result })));
  }

  /** Finished commits that lie in an attempt's worktree are pushed once more. */
  #offer({ bead, attempt, sha }: OfferWorkInput): OfferWorkResult {
    if (!this.attempts.has(attempt))
      return { pushed: false, reason: `there is no worktree of attempt ${attempt} any more`, mayPass: false };
    const { refuses } = this.remote;
    if (!this.remoteInReach || refuses !== undefined)
      return { pushed: false, reason: refusalOf(refuses ?? 'for now'), mayPass: refuses !== 'by a rule' };
    this.remote.push(attemptRefs.branchRef(bead, attempt), sha);
    return { pushed: true, branch: attemptRefs.branch(bead, attempt) };
  }

  async #withRunner(task: TaskInHand, input: HostAttemptInput, run: (runner: VirtualRunner) => void): Promise<void> {
    const runner = this.attempts.get(input.attempt)?.runner;
    if (runner?.process.alive !== true)
      return this.#refuse(
        task,
        failureTypes.noSuchAttempt,
        `no runner of attempt ${input.attempt} is alive on ${this.id}`,
      );
    try {
      run(runner);
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      return this.#refuse(task, failureTypes.runnerRefused, error.message);
    }
    await this.#answer(task, undefined);
  }

  /** The worker looks at its runners once a second. */
  #watchRunners(): void {
    this.#worker.at(this.clock.now() + 1_000, async () => {
      for (const attempt of this.attempts.values()) {
        if (attempt.runner && !attempt.runner.process.alive && !attempt.result) await this.#reap(attempt);
      }
    });
  }

  /**
   * A runner died without a result: the work that lies in the worktree is saved, the end is told by the recorded token.
   */
  async #reap(attempt: FakeAttempt): Promise<void> {
    const { input, work } = attempt;
    await work.pushKept();
    await work.save();
    attempt.result = judgeEnd({
      attempt: input.attempt,
      host: this.id,
      baseSha: this.remote.baseSha,
      stop: { outcome: 'lost', reason: 'the runner died without a result' },
      checkpoint: work.checkpoint,
      report: work.report,
      kept: work.kept,
    });
    this.note(input.bead, 'reaped', input.attempt);
    await this.call(() => attempt.task.complete(attempt.result));
  }

  async #answer(task: TaskInHand, result: unknown): Promise<void> {
    await this.call(() => task.complete(result));
  }

  async #refuse(task: TaskInHand, type: string, message: string, ...details: unknown[]): Promise<void> {
    await this.call(() => task.fail(ApplicationFailure.create({ type, message, nonRetryable: true, details })));
  }
}

/** @returns what an answer of the client's `activity` methods means to a worker. */
function answerOf(error: unknown): BeatAnswer {
  if (error === undefined) return 'recorded';
  if (error instanceof ActivityNotFoundError) return 'refused';
  if (error instanceof ActivityCancelledError) return 'cancelled';
  throw error;
}
