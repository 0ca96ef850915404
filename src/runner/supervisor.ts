import type { Logger } from 'pino';
import type { AgentAdapter, AgentExit } from '../agents/types.js';
import { cellKind } from '../cell/index.js';
import type { CellPlan } from '../cell/index.js';
import { clip, plainLine } from '../contract/index.js';
import type { AttemptResult, BeadView, BeatDetails, Message, StartAgentInput } from '../contract/index.js';
import type { AttemptLogin } from './agent/agent-login.js';
import type { FruitlessStarts } from './attempt/fruitless-starts.js';
import { answerText, mostAnswers } from './agent/answer.js';
import { AgentWatch } from './agent/agent-watch.js';
import { MessageBox } from './agent/message-box.js';
import { NoteQueue } from './agent/note-queue.js';
import { ProviderRefusalWatch } from './agent/provider-refusal-watch.js';
import type { RunningAgent } from './agent/running-agent.js';
import type { AttemptFiles } from './attempt/attempt-files.js';
import type { AttemptLock } from './attempt/attempt-lock.js';
import type { RecordKeeper } from './attempt/record-keeper.js';
import { deferred } from './deferred.js';
import type { AttemptWork, WorkEvents } from './end/attempt-work.js';
import { endAttempt, litterGraceMs } from './end/end-attempt.js';
import type { EndCause } from './end/end-attempt.js';
import type { StopCause } from './end/judge-end.js';
import { LastWordWatch } from './end/last-word-watch.js';
import { RegularSave } from './end/regular-save.js';
import { reportResult } from './end/report-result.js';
import type { BeadLink } from './lease/bead-link.js';
import { passFence } from './lease/fence.js';
import type { FenceRefusal } from './lease/fence.js';
import { LeaseKeeper } from './lease/lease-keeper.js';
import { lookEvery } from './lease/lease.js';
import type { Lease } from './lease/lease.js';
import { Signaller } from './lease/signaller.js';
import type { Moment, Part } from './part.js';
import { AgentTether } from './processes/agent-tether.js';
import type { AttemptProcesses } from './processes/end-processes.js';
import { Freezer } from './processes/freezer.js';
import type { ProcessControl } from './processes/process-control.js';
import { detailsOf, stateOf } from './runner-view.js';
import type { DetailFacts } from './runner-view.js';
import { AgentRequests } from './sockets/agent-requests.js';
import type { ControlHandlers } from './sockets/control-socket.js';
import { RequestRefused } from './sockets/request-refused.js';
import type { Time } from './time.js';
import type { AdoptOutcome, AttemptSetup, RunnerConnection, RunnerState, RunnerStatus, StopRequest } from './types.js';
import { Waker } from './waker.js';

/** What a supervisor meets the world by: the host's on a host, fakes in the test kit and the simulation. */
export interface SupervisorPorts {
  time: Time;
  link: BeadLink;
  processes: ProcessControl;
  files: AttemptFiles;
  record: Pick<RecordKeeper, 'update'>;
  lock: Pick<AttemptLock, 'renew'>;
  /** @returns the attempt's work, which tells of its changes. */
  work(events: WorkEvents): AttemptWork;
  /** @returns the part that looks whether the attempt's folder is still there. */
  folder(onGone: () => void): Part;
  /** @returns the part that ends what uses more of its host than it may. Absent: there are no limits. */
  limits?(onOver: (cause: StopCause) => void): Part;
  /** What the attempt's end says of the login that its agent uses. Absent: nobody asks. */
  login?: Pick<AttemptLogin, 'begins' | 'works' | 'ended'>;
  /** Counts what has led to nothing. Absent: nobody does. */
  starts?: Pick<FruitlessStarts, 'ended'>;
  log: Pick<Logger, 'info' | 'warn'>;
}

export interface SupervisorOptions extends SupervisorPorts {
  input: StartAgentInput;
  setup: AttemptSetup;
  adapter: AgentAdapter;
  /** How the agent is run. */
  cell: CellPlan;
  token: Uint8Array;
}

/** Makes ready a run that goes on in the agent's conversation; undefined when there is none any more. */
export type AnswerAgent = (session: string, text: string) => Promise<(() => RunningAgent) | undefined>;

/**
 * After `done` the agent has a while to end by itself, 30 s with the default `stopGrace`: it may have a last word to
 * say, but nothing more to do.
 */
const endAfterDone = 1.5;
/** A frozen agent's work is saved as far as the line allows; an hour-long push would keep the next save waiting. */
const saveFrozenMs = 20_000;

/**
 * A host that shuts down gives its processes only a moment (90 s with systemd, 10 s with Docker), most of which the
 * agent and the push have had.
 */
const reportLastMs = 5_000;

/** Supervises one attempt, from the fence to the report of its result, by its {@link Part}s. */
export class Supervisor implements ControlHandlers {
  readonly watch: AgentWatch;
  readonly desk: AgentRequests;
  readonly #parts: readonly Part[];
  readonly #work: AttemptWork;
  readonly #signaller: Signaller;
  readonly #leaseKeeper: LeaseKeeper;
  readonly #notes: NoteQueue;
  readonly #box: MessageBox;
  readonly #freezer: Freezer;
  readonly #fenceWaker: Waker;
  readonly #fenceOver = deferred<FenceRefusal | { lease: Lease }>();
  #stopAtFence: StopRequest | undefined;
  #agent: RunningAgent | undefined;
  #spawnedAt: number | undefined;
  #answers = 0;
  #gotOn = false;
  #cause: EndCause | undefined;
  #cancelled = false;
  #settled = false;
  #result: AttemptResult | undefined;
  readonly #recorded = deferred<AttemptResult>();

  constructor(private readonly options: SupervisorOptions) {
    const { input, setup, adapter, token, time, link, processes, files, record, lock, log } = options;
    const { attempt, clocks } = input;
    this.#fenceWaker = new Waker(time);
    this.#box = new MessageBox(input.messages);
    this.#work = options.work({
      kept: (kept) => record.update({ kept }),
      record: (report) => files.writeReport(report),
      changed: (checkpoint) => this.#note('runner.json', record.update({ checkpoint })),
      trouble: this.#trouble,
    });
    this.#signaller = new Signaller({
      vouchKey: this.#work.vouchKey,
      cell: cellKind(options.cell),
      account: setup.account,
      link,
      time,
      clocks,
      attempt,
      host: setup.host,
      checkpoint: () => this.#work.checkpoint,
      saveProblem: () => (this.#work.mayPass ? undefined : this.#work.pushProblem),
      onEnded: () => this.#movedOn(undefined),
    });
    this.#freezer = new Freezer(
      processes,
      () => this.#processes(),
      () => this.#changed(),
    );
    this.#leaseKeeper = new LeaseKeeper({
      link,
      time,
      clocks,
      attempt,
      token,
      signaller: this.#signaller,
      freezer: this.#freezer,
      details: () => this.#details(),
      saveToken: (fresh) => files.writeToken(fresh),
      saveConnection: (fresh) => files.writeConnection(fresh),
      onRenewed: () => this.#note('runner.lock', lock.renew()),
      onFrozen: () => void this.#work.save(saveFrozenMs),
      onCancelled: () => {
        this.#cancelled = true;
        this.#end({ by: 'stop', outcome: 'stopped', reason: 'the bead cancelled the attempt' });
      },
      onMovedOn: (view) => this.#movedOn(view),
      log: (what, details) => log.info({ ...details }, what),
    });
    this.#notes = new NoteQueue(link, lookEvery(clocks), time);
    const refusals = new ProviderRefusalWatch(
      clocks.stalledAfter,
      (cause) => this.#end({ by: 'stop', ...cause }),
      time,
    );
    const lastWord = new LastWordWatch(endAfterDone * clocks.stopGrace, time, () =>
      this.#end({ by: 'stop', outcome: 'lost', reason: 'the agent did not end after it had reported' }),
    );
    this.watch = new AgentWatch(
      adapter,
      {
        onProgress: (kind, activity) => {
          this.#gotOn = true;
          if (kind === 'tool') this.#served();
          this.#signaller.progress(kind, activity);
        },
        onTrouble: this.#trouble,
        onFacts: () => this.#note('runner.json', record.update(this.watch.facts)),
        onRefused: (refusal) => refusals.heard(refusal),
      },
      time,
    );
    this.desk = new AgentRequests({
      attempt,
      listens: adapter.hasSpoken !== undefined || adapter.mcp === true,
      time,
      watch: this.watch,
      signaller: this.#signaller,
      notes: this.#notes,
      box: this.#box,
      keeper: this.#work,
      closed: () => (this.#cause === undefined ? undefined : 'the attempt is being ended'),
      onDone: () => lastWord.done(),
    });
    this.#parts = [
      // Nobody could adopt it without its folder: it would hold its agent for ever.
      options.folder(() => this.#endSoon('the folder of the attempt was deleted')),
      new AgentTether(processes, attempt, (error) => this.#trouble('tether', error)),
      this.#leaseKeeper,
      this.#signaller,
      this.#notes,
      new RegularSave(this.#work, clocks.checkpointEvery, time),
      refusals,
      lastWord,
      this.#freezer,
      ...(options.limits === undefined ? [] : [options.limits((cause) => this.#end({ by: 'stop', ...cause }))]),
    ];
  }

  /** The agent wanted to speak to a host that its sandbox does not let it out to: people see it with its notes. */
  refusedOut(destination: string): void {
    this.options.log.warn({ destination }, 'the sandbox refused a destination');
    this.#notes.push({
      attempt: this.options.input.attempt,
      kind: 'note',
      text: `the sandbox refused the way out to ${plainLine(destination)}`,
    });
  }

  /** Passes the fence. @returns the lease, or why not: then no agent was spawned. */
  async fence(ready?: Promise<unknown>): Promise<FenceRefusal | { lease: Lease }> {
    const { input, setup, link, time } = this.options;
    this.#tell('fencing');
    const passed = await passFence({
      link,
      time,
      clocks: input.clocks,
      attempt: input.attempt,
      host: setup.host,
      waker: this.#fenceWaker,
      token: () => this.#leaseKeeper.token,
      details: () => this.#details(),
      ready,
      claim: () => this.#signaller.sendNow('start'),
      paused: () => this.#freezer.has('operator'),
      stopped: () => this.#stopAtFence?.reason,
    });
    this.#fenceOver.resolve(passed);
    return passed;
  }

  /**
   * Spawns the agent and supervises it to its end; called at once after the fence.
   * @param spawn starts the agent's process.
   * @param answer makes ready a run that goes on in its conversation, when it has ended without a report.
   * Resolves when the result is on disk and has been reported, or when reporting was given up for now.
   */
  async supervise(lease: Lease, spawn: () => RunningAgent, answer?: AnswerAgent): Promise<AttemptResult> {
    const { log, time } = this.options;
    this.options.login?.begins();
    const agent = spawn();
    this.#spawnedAt = time.now().wall;
    this.#runs(agent, this.#spawnedAt);
    const loops = this.#parts.map(async (part) => part.spawned?.(agent, lease));
    void this.#follow(agent, answer);
    if (this.#stopAtFence !== undefined) this.#end({ by: 'stop', ...this.#stopAtFence });

    const result = await this.#recorded.promise;
    this.#tell('recorded');
    await this.#notes.flush();
    const reported = await this.#report(result);
    // What could not be told while the server was away; a bead that goes on to its merge still keeps it.
    await this.#notes.flush();
    this.#tell('reported');
    await Promise.all(loops);
    log.info({ result, reported }, 'runner ends');
    return result;
  }

  /** The disk may be full: then others find out by themselves. */
  #served(): void {
    try {
      this.options.login?.works();
    } catch (error) {
      this.#trouble('logins', error);
    }
  }

  #runs(agent: RunningAgent, spawnedAt: number): void {
    const { record, log } = this.options;
    this.#agent = agent;
    if (agent.group !== undefined) this.#note('runner.json', record.update({ agent: { ...agent.group, spawnedAt } }));
    log.info({ agent: agent.group }, 'agent spawned');
    this.#changed();
  }

  /** Waits for the end of the agent's program, and answers one that ends without a report. */
  async #follow(first: RunningAgent, answer: AnswerAgent | undefined): Promise<void> {
    let running = first;
    for (;;) {
      const exit = await running.exit;
      this.options.log.info({ exit }, 'agent ended');
      const next = answer && (await this.#answered(running, exit, answer));
      if (next === undefined) return this.#end({ by: 'agent', exit });
      running = next;
    }
  }

  /** @returns the run in which the agent goes on after an answer; undefined when this end is the attempt's. */
  async #answered(agent: RunningAgent, exit: AgentExit, answer: AnswerAgent): Promise<RunningAgent | undefined> {
    const { adapter, input, processes, time, log } = this.options;
    const { session, said, events } = this.watch;
    const spoken = adapter.hasSpoken?.(exit, events) === true && adapter.classify?.(exit, events) === undefined;
    const open = (): boolean =>
      this.#cause === undefined && this.#work.report === undefined && this.#work.kept === undefined;
    if (!spoken || !open() || session === undefined || this.#answers >= mostAnswers) return undefined;
    try {
      // What it has left in the background would be nobody's: the next run has a group of its own.
      await processes.end({ ...this.#processes(), graceMs: Math.min(litterGraceMs, input.clocks.stopGrace) });
      await agent.close();
      const text = answerText(this.#answers + 1, this.#box.unacknowledged());
      const spawn = await answer(session, text);
      // Like the first one it is spawned under a lease only; and what was ordered meanwhile counts.
      if (spawn === undefined || !open() || this.#freezer.has('lease')) return undefined;
      this.#answers += 1;
      this.watch.again();
      const next = spawn();
      this.#runs(next, time.now().wall);
      for (const part of this.#parts) part.answered?.(next);
      this.#notes.push({
        attempt: input.attempt,
        kind: 'note',
        text:
          `the agent ended without a report, and was asked for one in its conversation (${this.#answers} of ` +
          `${mostAnswers})${said === undefined ? '' : `; it had said: ${clip(plainLine(said), 300)}`}`,
      });
      return next;
    } catch (error) {
      log.warn({ err: error }, 'the agent could not be answered');
      return undefined;
    }
  }

  /** The last act of a crashing runner: nothing may go on unsupervised. */
  freezeAll(): void {
    if (this.#agent !== undefined) this.options.processes.freeze(this.#processes());
  }

  status(): RunnerStatus {
    const { input, setup } = this.options;
    const { watch } = this;
    const agent = this.#agent;
    const work = this.#work;
    const leaseKeeper = this.#leaseKeeper;
    const { text, phase } = this.#details();
    return {
      bead: input.bead,
      attempt: input.attempt,
      host: setup.host,
      pid: process.pid,
      state: this.#state(),
      phase,
      text,
      orphan: leaseKeeper.orphan,
      frozenBy: this.#freezer.list(),
      leaseAgeMs: leaseKeeper.age,
      unacknowledged: this.#box.unacknowledged().length,
      agent:
        agent?.group === undefined || this.#spawnedAt === undefined
          ? undefined
          : { pid: agent.group.pid, pgid: agent.group.pgid, spawnedAt: this.#spawnedAt },
      lastProgressAt: watch.lastProgressAt,
      activity: watch.activity,
      checkpoint: work.checkpoint,
      pushProblem: work.pushProblem,
      result: this.#result,
    };
  }

  async adopt(token: Uint8Array, connection?: RunnerConnection): Promise<AdoptOutcome> {
    if (this.#result === undefined) await this.#leaseKeeper.adopt(token, connection);
    if (this.#result === undefined) return { adopted: true };
    // The host reports it; we need not.
    this.#settled = true;
    return { adopted: false, result: this.#result };
  }

  /** Does nothing once the attempt has ended: nothing is left to be sent. */
  async reconnect(connection: RunnerConnection): Promise<void> {
    if (this.#result === undefined) await this.#leaseKeeper.reconnect(connection);
  }

  /** The host shuts down: what is saved now is not lost. */
  shutDown(): void {
    this.#endSoon('the host shuts down');
  }

  async stop(request: StopRequest): Promise<AttemptResult> {
    if (this.#agent === undefined) {
      this.#stopAtFence = request;
      this.#fenceWaker.wake();
      const fence = await this.#fenceOver.promise;
      if (!('lease' in fence))
        return { attempt: this.options.input.attempt, host: this.options.setup.host, ...request };
    }
    this.#end({ by: 'stop', ...request });
    return this.#recorded.promise;
  }

  pause(paused: boolean): void {
    if (this.#cause !== undefined) throw new RequestRefused(409, 'the attempt is being ended');
    if (!paused) this.#freezer.thaw('operator');
    // The save goes on in the background: the caller only waits until the processes stand still.
    else if (this.#freezer.freeze('operator') && this.#agent !== undefined) void this.#work.save(saveFrozenMs);
    this.#fenceWaker.wake();
  }

  deliver(message: Message): void {
    if (this.#cause !== undefined) throw new RequestRefused(409, 'the attempt is being ended');
    const problem = this.#box.deliver(message);
    if (problem !== undefined) throw new RequestRefused(429, problem);
  }

  /**
   * Ends the attempt as lost. Its report gets a moment: what the bead does not hear now it hears from this disk, or
   * from the host that has nothing of the attempt any more.
   */
  #endSoon(reason: string): void {
    const settle = (): void => {
      this.#settled = true;
    };
    this.#note(
      reason,
      this.stop({ outcome: 'lost', reason }).then(() => {
        this.options.time.timer(reportLastMs, settle);
      }),
    );
  }

  /** The first cause counts. */
  #end(cause: EndCause): void {
    const agent = this.#agent;
    if (this.#cause !== undefined || agent === undefined) return;
    this.#cause = cause;
    this.options.log.info({ cause }, 'the attempt is being ended');
    this.#tell('ending');
    this.#changed();
    const { files, setup, input, adapter, time, processes } = this.options;
    endAttempt({
      files,
      time,
      control: processes,
      setup,
      clocks: input.clocks,
      adapter,
      cause,
      agent,
      watch: this.watch,
      keeper: this.#work,
      box: this.#box,
      answers: this.#answers,
      processes: this.#processes(),
      trouble: this.#trouble,
      onProcessesEnded: () => this.#tell('ended'),
      amend: (result) => {
        this.options.starts?.ended(input, result);
        return this.options.login?.ended(result, this.#gotOn) ?? result;
      },
    }).then(
      (result) => {
        this.#result = result;
        this.#changed();
        this.#recorded.resolve(result);
      },
      (error: unknown) => this.#recorded.reject(error),
    );
  }

  #report(result: AttemptResult): Promise<boolean> {
    const { link, time, input } = this.options;
    return reportResult({
      link,
      time,
      clocks: input.clocks,
      result,
      token: () => this.#leaseKeeper.token,
      cancelled: () => this.#cancelled,
      settled: () => this.#settled,
      onRefused: () => this.#leaseKeeper.becomeOrphan(),
    });
  }

  #tell(moment: Moment): void {
    for (const part of this.#parts) part[moment]?.();
  }

  /** The bead has another attempt, or has ended; or it wants this one stopped, and could not tell the host. */
  #movedOn(view: BeadView | undefined): void {
    const { attempt } = this.options.input;
    const stopping = view?.current?.id === attempt ? view.current.stopping : undefined;
    // With a recorded result there is nobody left to report it to.
    if (this.#result !== undefined && stopping === undefined) this.#settled = true;
    const reason = view === undefined ? 'the bead has ended' : 'the bead has moved on to another attempt';
    this.#end({
      by: 'stop',
      // With its lease over the bead may have started another attempt, whose agent must stay the only one that runs.
      atOnce: stopping === undefined && this.#freezer.list().length > 0,
      outcome: stopping?.outcome ?? 'stopped',
      reason: stopping?.reason ?? reason,
    });
  }

  #facts(): DetailFacts {
    return {
      host: this.options.setup.host,
      attempt: this.options.input.attempt,
      cell: cellKind(this.options.cell),
      spawned: this.#agent !== undefined,
      ending: this.#cause !== undefined,
      frozenBy: this.#freezer.list(),
      agentPid: this.#agent?.group?.pid,
      spawnedAt: this.#spawnedAt,
      orphan: this.#leaseKeeper.orphan,
      watch: this.watch,
      keeper: this.#work,
    };
  }

  #state(): RunnerState {
    return stateOf({ ...this.#facts(), recorded: this.#result !== undefined });
  }

  #details(): BeatDetails {
    return detailsOf(this.#facts(), this.options.time.now().wall);
  }

  #processes(): AttemptProcesses {
    const group = this.#agent?.group;
    return { attempt: this.options.input.attempt, group };
  }

  /** Brings `runner.json` up to date. */
  #changed(): void {
    if (this.#agent !== undefined) this.#note('runner.json', this.options.record.update({ state: this.#state() }));
  }

  #note(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#trouble(what, error));
  }

  readonly #trouble = (what: string, error: unknown): void => this.options.log.warn({ err: error }, what);
}
