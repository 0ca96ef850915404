import type { Logger } from 'pino';
import type { AgentAdapter } from '../agents/types.js';
import { cellKind } from '../cell/index.js';
import type { CellPlan } from '../cell/index.js';
import { plainLine } from '../contract/index.js';
import type { AttemptResult, BeadView, BeatDetails, Message, StartAgentInput } from '../contract/index.js';
import { AgentRequests } from './sockets/agent-requests.js';
import type { AgentProcess } from './agent/agent-process.js';
import { AgentWatch } from './agent/agent-watch.js';
import type { AttemptDir } from './attempt/attempt-dir.js';
import type { AttemptLock } from './attempt/attempt-lock.js';
import type { BeadLink } from './lease/bead-link.js';
import type { ControlHandlers } from './sockets/control-socket.js';
import { deferred } from './deferred.js';
import { endAttempt } from './end/end-attempt.js';
import type { EndCause } from './end/end-attempt.js';
import { freezeProcesses } from './processes/end-processes.js';
import type { AttemptProcesses } from './processes/end-processes.js';
import { passFence } from './lease/fence.js';
import type { FenceRefusal } from './lease/fence.js';
import { FolderWatch } from './attempt/folder-watch.js';
import { Freezer } from './processes/freezer.js';
import type { Clock } from './instant.js';
import { RequestRefused } from './sockets/json-server.js';
import { LeaseKeeper } from './lease/lease-keeper.js';
import type { Lease } from './lease/lease.js';
import { MessageBox } from './agent/message-box.js';
import { NoteQueue } from './agent/note-queue.js';
import type { RecordKeeper } from './attempt/record-keeper.js';
import { ProviderRefusalWatch } from './agent/provider-refusal-watch.js';
import { reportResult } from './end/report-result.js';
import { detailsOf, stateOf } from './runner-view.js';
import type { DetailFacts } from './runner-view.js';
import { Signaller } from './lease/signaller.js';
import { Tether } from './processes/tether.js';
import type { AdoptOutcome, AttemptSetup, RunnerConnection, RunnerState, RunnerStatus, StopRequest } from './types.js';
import { Waker } from './waker.js';
import { WorkKeeper } from './end/work-keeper.js';

export interface SupervisorOptions {
  dir: AttemptDir;
  input: StartAgentInput;
  setup: AttemptSetup;
  adapter: AgentAdapter;
  /** How the agent is run. */
  cell: CellPlan;
  token: Uint8Array;
  link: BeadLink;
  record: RecordKeeper;
  lock: AttemptLock;
  clock: Clock;
  log: Logger;
}

/**
 * After `done` the agent has a while to end by itself, 30 s with the default `stopGrace`: it may have a last word to
 * say, but nothing more to do.
 */
const endAfterDone = 1.5;
/** A frozen agent's work is saved as far as the line allows; an hour-long push would keep the next save waiting. */
const saveFrozenMs = 20_000;

/**
 * A host that shuts down gives its processes but a moment (90 s with systemd, 10 s with Docker), most of which the
 * agent and the push have had.
 */
const reportLastMs = 5_000;

/** Supervises one attempt, from the fence to the report of its result. */
export class Supervisor implements ControlHandlers {
  readonly watch: AgentWatch;
  readonly desk: AgentRequests;
  readonly #keeper: WorkKeeper;
  readonly #signaller: Signaller;
  readonly #leaseKeeper: LeaseKeeper;
  readonly #notes: NoteQueue;
  readonly #box: MessageBox;
  readonly #freezer: Freezer;
  readonly #refusals: ProviderRefusalWatch;
  readonly #folder: FolderWatch;
  readonly #fenceWaker = new Waker();
  readonly #fenceOver = deferred<FenceRefusal | { lease: Lease }>();
  #stopAtFence: StopRequest | undefined;
  #agent: AgentProcess | undefined;
  #spawnedAt: number | undefined;
  #tether: Tether | undefined;
  #cause: EndCause | undefined;
  #cancelled = false;
  #settled = false;
  #result: AttemptResult | undefined;
  readonly #recorded = deferred<AttemptResult>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(private readonly options: SupervisorOptions) {
    const { dir, input, setup, adapter, token, link, record, clock, log } = options;
    const { bead, attempt, clocks } = input;
    this.#keeper = new WorkKeeper(
      {
        bead,
        attempt,
        worktree: dir.worktree,
        remote: input.repo,
        saves: input.workspace?.saves,
        baseSha: setup.baseSha,
        rootSha: setup.rootSha ?? setup.baseSha,
        goesOnFrom: setup.goesOnFrom ?? input.checkpoint?.sha,
      },
      {
        kept: (kept) => record.update({ kept }),
        record: (report) => dir.writeReport(report),
        changed: (checkpoint) => this.#note('runner.json', record.update({ checkpoint })),
        trouble: this.#trouble,
      },
    );
    this.#signaller = new Signaller({
      vouchKey: this.#keeper.vouchKey,
      cell: cellKind(options.cell),
      link,
      clock,
      clocks,
      attempt,
      host: setup.host,
      checkpoint: () => this.#keeper.checkpoint,
      saveProblem: () => (this.#keeper.mayPass ? undefined : this.#keeper.pushProblem),
      onEnded: () => this.#movedOn(undefined),
    });
    this.#freezer = new Freezer(
      () => this.#processes(),
      () => this.#changed(),
    );
    this.#leaseKeeper = new LeaseKeeper({
      link,
      clock,
      clocks,
      attempt,
      token,
      signaller: this.#signaller,
      freezer: this.#freezer,
      details: () => this.#details(),
      saveToken: (fresh) => dir.writeToken(fresh),
      saveConnection: (fresh) => dir.writeConnection(fresh),
      onRenewed: () => this.#note('runner.lock', options.lock.renew()),
      onFrozen: () => void this.#keeper.save(saveFrozenMs),
      onCancelled: () => {
        this.#cancelled = true;
        this.#end({ by: 'stop', outcome: 'stopped', reason: 'the bead cancelled the attempt' });
      },
      onMovedOn: (view) => this.#movedOn(view),
      log: (what, details) => log.info({ ...details }, what),
    });
    this.#notes = new NoteQueue(link, clocks.beatEvery);
    this.#box = new MessageBox(input.messages);
    this.#refusals = new ProviderRefusalWatch(clocks.stalledAfter, (cause) => this.#end({ by: 'stop', ...cause }));
    this.watch = new AgentWatch(adapter, {
      onProgress: (kind, activity) => this.#signaller.progress(kind, activity),
      onTrouble: this.#trouble,
      onFacts: () => this.#note('runner.json', record.update(this.watch.facts)),
      onRefused: (refusal) => this.#refusals.heard(refusal),
    });
    // Nobody could adopt it without: it would hold its agent for ever.
    this.#folder = new FolderWatch(dir.path, () => this.#endSoon('the folder of the attempt was deleted'));
    this.desk = new AgentRequests({
      attempt,
      watch: this.watch,
      signaller: this.#signaller,
      notes: this.#notes,
      box: this.#box,
      keeper: this.#keeper,
      closed: () => (this.#cause === undefined ? undefined : 'the attempt is being ended'),
      onDone: () => {
        this.#timers.add(
          setTimeout(
            () => this.#end({ by: 'stop', outcome: 'lost', reason: 'the agent did not end after it had reported' }),
            endAfterDone * clocks.stopGrace,
          ),
        );
      },
    });
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
  async fence(): Promise<FenceRefusal | { lease: Lease }> {
    const { input, setup, link, clock } = this.options;
    this.#folder.start(input.clocks.beatEvery);
    const passed = await passFence({
      link,
      clock,
      clocks: input.clocks,
      attempt: input.attempt,
      host: setup.host,
      waker: this.#fenceWaker,
      token: () => this.#leaseKeeper.token,
      details: () => this.#details(),
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
   * Resolves when the result is on disk and has been reported, or when reporting was given up for now.
   */
  async supervise(lease: Lease, spawn: () => AgentProcess): Promise<AttemptResult> {
    const { input, record, log } = this.options;
    const agent = spawn();
    this.#agent = agent;
    this.#spawnedAt = Date.now();
    if (agent.group !== undefined) {
      this.#tether = Tether.attach({ pgid: agent.group.pgid, attempt: input.attempt }, (error) =>
        this.#trouble('tether', error),
      );
      this.#note('runner.json', record.update({ agent: { ...agent.group, spawnedAt: this.#spawnedAt } }));
    }
    log.info({ agent: agent.group }, 'agent spawned');
    this.#changed();
    const loops = [this.#leaseKeeper.run(lease), this.#signaller.run(), this.#notes.run()];
    const saving = setInterval(() => void this.#keeper.save(), input.clocks.checkpointEvery);
    void agent.exit.then((exit) => {
      log.info({ exit }, 'agent ended');
      this.#end({ by: 'agent', exit });
    });
    // What was asked for between fence and spawn.
    this.#freezer.apply();
    if (this.#stopAtFence !== undefined) this.#end({ by: 'stop', ...this.#stopAtFence });

    const result = await this.#recorded.promise;
    clearInterval(saving);
    this.#folder.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#notes.flush();
    const { link, clock } = this.options;
    const reported = await reportResult({
      link,
      clock,
      clocks: input.clocks,
      result,
      token: () => this.#leaseKeeper.token,
      cancelled: () => this.#cancelled,
      settled: () => this.#settled,
      onRefused: () => this.#leaseKeeper.becomeOrphan(),
    });
    // What could not be told while the server was away; a bead that goes on to its merge still keeps it.
    await this.#notes.flush();
    for (const part of [this.#leaseKeeper, this.#signaller, this.#notes]) part.stop();
    await Promise.all(loops);
    log.info({ result, reported }, 'runner ends');
    return result;
  }

  /** The last act of a crashing runner: nothing may go on unsupervised. */
  freezeAll(): void {
    if (this.#agent !== undefined) freezeProcesses(this.#processes());
  }

  status(): RunnerStatus {
    const { dir, setup } = this.options;
    const { watch } = this;
    const agent = this.#agent;
    const keeper = this.#keeper;
    const leaseKeeper = this.#leaseKeeper;
    const { text, phase } = this.#details();
    return {
      bead: dir.bead,
      attempt: dir.attempt,
      host: setup.host,
      pid: process.pid,
      state: this.#state(),
      phase,
      text,
      orphan: leaseKeeper.orphan,
      frozenBy: this.#freezer.list(),
      leaseAgeMs: leaseKeeper.age,
      unacknowledged: this.#box.unacknowledged().length,
      ...(agent?.group && this.#spawnedAt !== undefined
        ? { agent: { pid: agent.group.pid, pgid: agent.group.pgid, spawnedAt: this.#spawnedAt } }
        : {}),
      lastProgressAt: watch.lastProgressAt,
      activity: watch.activity,
      checkpoint: keeper.checkpoint,
      pushProblem: keeper.pushProblem,
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

  /** The host shuts down: what is saved now is not lost. */
  shutDown(): void {
    this.#endSoon('the host shuts down');
  }

  async stop(request: StopRequest): Promise<AttemptResult> {
    if (this.#agent === undefined) {
      this.#stopAtFence = request;
      this.#fenceWaker.wake();
      const fence = await this.#fenceOver.promise;
      if (!('lease' in fence)) return { attempt: this.options.dir.attempt, host: this.options.setup.host, ...request };
    }
    this.#end({ by: 'stop', ...request });
    return this.#recorded.promise;
  }

  pause(paused: boolean): void {
    if (this.#cause !== undefined) throw new RequestRefused(409, 'the attempt is being ended');
    if (!paused) this.#freezer.thaw('operator');
    // The save goes on in the background: the caller only waits until the processes stand still.
    else if (this.#freezer.freeze('operator') && this.#agent !== undefined) void this.#keeper.save(saveFrozenMs);
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
        setTimeout(settle, reportLastMs).unref();
      }),
    );
  }

  /** The first cause counts. */
  #end(cause: EndCause): void {
    const agent = this.#agent;
    if (this.#cause !== undefined || agent === undefined) return;
    this.#cause = cause;
    this.#refusals.stop();
    this.options.log.info({ cause }, 'the attempt is being ended');
    this.#leaseKeeper.end();
    this.#freezer.dissolve();
    this.#changed();
    const { dir, setup, input, adapter } = this.options;
    endAttempt({
      dir,
      setup,
      clocks: input.clocks,
      adapter,
      cause,
      agent,
      watch: this.watch,
      keeper: this.#keeper,
      box: this.#box,
      processes: this.#processes(),
      trouble: this.#trouble,
      onProcessesEnded: () => this.#tether?.release(),
    }).then(
      (result) => {
        this.#result = result;
        this.#changed();
        this.#recorded.resolve(result);
      },
      (error: unknown) => this.#recorded.reject(error),
    );
  }

  /** The bead has another attempt, or has ended; or it wants this one stopped, and could not tell the host. */
  #movedOn(view: BeadView | undefined): void {
    const { attempt } = this.options.input;
    const stopping = view?.current?.id === attempt ? view.current.stopping : undefined;
    // With a recorded result there is nobody left to report it to.
    if (this.#result !== undefined && stopping === undefined) this.#settled = true;
    const reason = view === undefined ? 'the bead has ended' : 'the bead has moved on to another attempt';
    this.#end({ by: 'stop', outcome: stopping?.outcome ?? 'stopped', reason: stopping?.reason ?? reason });
  }

  #facts(): DetailFacts {
    return {
      host: this.options.setup.host,
      attempt: this.options.dir.attempt,
      spawned: this.#agent !== undefined,
      ending: this.#cause !== undefined,
      frozenBy: this.#freezer.list(),
      agentPid: this.#agent?.group?.pid,
      spawnedAt: this.#spawnedAt,
      orphan: this.#leaseKeeper.orphan,
      watch: this.watch,
      keeper: this.#keeper,
    };
  }

  #state(): RunnerState {
    return stateOf({ ...this.#facts(), recorded: this.#result !== undefined });
  }

  #details(): BeatDetails {
    return detailsOf(this.#facts(), Date.now());
  }

  #processes(): AttemptProcesses {
    const group = this.#agent?.group;
    return { attempt: this.options.dir.attempt, group };
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
