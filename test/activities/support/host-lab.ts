import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { inject } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/deps.js';
import { createFleetActivities } from '../../../src/activities/fleet/index.js';
import { createHostActivities } from '../../../src/activities/index.js';
import { refineryWorkerOptions } from '../../../src/activities/refinery/index.js';
import { attemptRefs, beadWorkflowId, taskQueues } from '../../../src/contract/index.js';
import type { Activities, StartAgentInput } from '../../../src/contract/index.js';
import { mergeClocks } from '../../../src/domain/index.js';
import { Host, HostWatch, openStateDirectory } from '../../../src/host/index.js';
import { AttemptDir, connectionRecord, endProcesses, processAlive, SpareRunner } from '../../../src/runner/index.js';
import { createWorkers } from '../../../src/worker/workers.js';
import type { Call, Ending, desk } from './desk-workflow.js';
import { callUpdate, cancelSignal, closeSignal, endingUpdate, signalsQuery, stateSignal } from './desk-workflow.js';
import { makeOrigin } from './origin.js';

/** A clock set for tests: beats fast, and long enough everywhere else that a busy machine changes nothing. */
export const quickClocks = mergeClocks({
  beatEvery: 300,
  heartbeatTimeout: 20_000,
  signalEvery: 1_000,
  checkpointEvery: 60_000,
  stopGrace: 2_000,
  adoptWithin: 30_000,
});

let bundle: Promise<WorkflowBundle> | undefined;
const deskBundle = (): Promise<WorkflowBundle> =>
  (bundle ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./desk-workflow.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  }));

const isOver = (error: unknown): void => {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
};

/** Silent unless TEST_LOG says otherwise. */
export const testLogger = (): Logger =>
  pino({ level: process.env['TEST_LOG']?.toLowerCase() ?? 'silent' }, pino.destination(2));

export const newAttempt = (number = 1): string => `${number}-${randomBytes(4).toString('hex')}`;

/** A call on the desk's activities. */
export interface Running {
  cancel(): Promise<void>;
  ending(): Promise<Ending>;
}

/** Stands in for one bead. */
export class Desk {
  #calls = 0;
  constructor(
    readonly bead: string,
    /** Unique, as in a real town: it marks the agent's processes on this machine, where other tests run too. */
    readonly attempt: string,
    readonly handle: WorkflowHandle<typeof desk>,
    private readonly lab: { town: string; host: { hostId: string } },
  ) {}

  async call(activity: keyof Activities, queue: string, input: unknown, heartbeatTimeout?: number): Promise<Running> {
    const id = `${activity}-${++this.#calls}`;
    const call: Call = { id, activity, queue, input, heartbeatTimeout };
    await this.handle.executeUpdate(callUpdate, { args: [call] });
    return {
      cancel: () => this.handle.signal(cancelSignal, { id }),
      ending: () => this.handle.executeUpdate(endingUpdate, { args: [{ id }] }),
    };
  }

  /** A first start, from the agents queue. */
  start(input: StartAgentInput): Promise<Running> {
    return this.call('startAgent', taskQueues.agents(this.lab.town), input, input.clocks.heartbeatTimeout);
  }

  /** An adoption, on the host's own queue. */
  adopt(input: StartAgentInput): Promise<Running> {
    return this.call(
      'startAgent',
      taskQueues.host(this.lab.host.hostId, this.lab.town),
      { ...input, mode: 'adopt' },
      input.clocks.heartbeatTimeout,
    );
  }

  /** Something only the host can do. */
  async onHost<R>(activity: keyof Activities, input: object): Promise<R> {
    const ending = await (
      await this.call(activity, taskQueues.host(this.lab.host.hostId, this.lab.town), input)
    ).ending();
    if (ending.kind !== 'result') throw new Error(`${activity}: ${JSON.stringify(ending)}`);
    return ending.result as R;
  }

  setState(state: unknown): Promise<void> {
    return this.handle.signal(stateSignal, state);
  }

  signals(): Promise<{ name: string; payload: unknown }[]> {
    return this.handle.query(signalsQuery);
  }

  /** What the server knows of the activities under way: newest heartbeat details and pause. */
  async pending(): Promise<{ details: { phase?: string; text?: string } | undefined; paused: boolean }[]> {
    const { raw } = await this.handle.describe();
    return (raw.pendingActivities ?? []).map(({ heartbeatDetails, paused }) => {
      const data = heartbeatDetails?.payloads?.[0]?.data;
      return {
        details: data ? (JSON.parse(Buffer.from(data).toString()) as { phase?: string; text?: string }) : undefined,
        paused: paused === true,
      };
    });
  }
}

/** A town of its own on the shared dev server, a repository, and a worker for desks. */
export class Lab {
  readonly town = `town-${randomBytes(4).toString('hex')}`;
  folder = '';
  client!: Client;
  native!: NativeConnection;
  origin!: { url: string; sha: string };
  /** Where agents run. */
  host!: { hostId: string };
  protected closers: (() => Promise<unknown>)[] = [];
  #desks: Desk[] = [];

  get home(): string {
    return join(this.folder, 'home');
  }

  protected async openTown(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'hb-'));
    this.origin = await makeOrigin(this.folder);
    const { address, namespace } = inject('devServer');
    const connection = await Connection.connect({ address });
    this.native = await NativeConnection.connect({ address });
    this.client = new Client({ connection, namespace });
    // The desk's workflows have a queue of their own: nothing of the product polls it.
    const desks = await Worker.create({
      connection: this.native,
      namespace,
      taskQueue: `${this.town}-desk`,
      workflowBundle: await deskBundle(),
    });
    const run = desks.run();
    this.closers = [
      async () => {
        desks.shutdown();
        await run;
      },
      () => this.native.close(),
      () => connection.close(),
    ];
  }

  /** Ends everything that belongs to the lab: agents and runners too, also after a failure. */
  async close(): Promise<void> {
    for (const desk of this.#desks) await desk.handle.signal(closeSignal).catch(isOver);
    for (const close of this.closers) await close();
    for (const dir of await AttemptDir.list(this.home)) {
      const record = await dir.readRunner();
      if (record !== undefined && processAlive(record.pid, record.startTime)) process.kill(record.pid, 'SIGKILL');
      await endProcesses({ attempt: dir.attempt, group: record?.agent, graceMs: 0 });
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** A bead that says `current` is the attempt it is about. */
  async desk(current: object = {}): Promise<Desk> {
    const bead = `b-${randomBytes(4).toString('hex')}`;
    const attempt = newAttempt();
    const handle = await this.client.workflow.start<typeof desk>('desk', {
      workflowId: beadWorkflowId(bead),
      taskQueue: `${this.town}-desk`,
      args: [{ status: 'in_progress', current: { id: attempt, lastSignAt: 0, ...current } }],
    });
    const made = new Desk(bead, attempt, handle, this);
    this.#desks.push(made);
    return made;
  }

  input({ bead, attempt }: Desk, over: Partial<StartAgentInput> = {}): StartAgentInput {
    return {
      bead,
      attempt,
      number: 1,
      mode: 'start',
      title: 'Try it',
      body: 'Do what the script says.',
      repo: this.origin.url,
      agent: { adapter: 'demo', options: { steps: 2, stepMs: 100, commits: 1, chatter: 1 } },
      clocks: quickClocks,
      notes: [],
      messages: [],
      ...over,
    };
  }

  dir({ bead, attempt }: Pick<Desk, 'bead' | 'attempt'>): AttemptDir {
    return AttemptDir.of(this.home, bead, attempt);
  }
}

export interface LabOptions {
  maxAgents?: number;
  diskFloor?: number;
  startLimit?: number;
  /** False: dead runners stay where they are until an activity looks. */
  watch?: boolean;
  /** Whether a runner waits to be told its attempt; or who boots runners. */
  spare?: boolean | NonNullable<ActivityDeps['spare']>;
  /** Trees that are checked out in advance. */
  spareTrees?: ActivityDeps['spareTrees'];
}

/** A host with its workers, all parts in reach of the test. */
export class HostLab extends Lab {
  declare host: Host;
  /** What the watch over the host is given. */
  hostActivities!: ReturnType<typeof createHostActivities>;
  /** The runner that waits, where the lab has one. */
  spare: SpareRunner | undefined;
  #stopWorkers: () => Promise<void> = () => Promise.resolve();

  static async open(options: LabOptions = {}): Promise<HostLab> {
    const lab = new HostLab();
    await lab.openTown();
    await lab.#startWorkers(options);
    lab.closers.unshift(() => lab.#stopWorkers());
    return lab;
  }

  /** Ends the host's workers, as for a new version. */
  stopWorkers(): Promise<void> {
    return this.#stopWorkers();
  }

  /** The next workers of the same host: they know nothing but its disk and its process table. */
  nextWorkers(options: LabOptions = {}): Promise<void> {
    return this.#startWorkers(options);
  }

  async #startWorkers({
    maxAgents = 4,
    diskFloor = 0,
    startLimit,
    watch = true,
    spare = false,
    spareTrees,
  }: LabOptions): Promise<void> {
    const { address, namespace } = inject('devServer');
    const { home, hostId } = await openStateDirectory(this.home);
    this.host = new Host({ home, hostId, maxAgents, diskFloor, startLimit, logger: testLogger() });
    this.spare = spare === true ? new SpareRunner(home, testLogger()) : undefined;
    this.spare?.stock();
    this.hostActivities = createHostActivities({
      spare: typeof spare === 'object' ? spare : this.spare,
      spareTrees,
      host: this.host,
      client: this.client,
      connection: () => connectionRecord({ address, namespace }),
      agentsQueue: taskQueues.agents(this.town),
    });
    const { activities, sweep } = this.hostActivities;
    const hostWatch = new HostWatch(this.host, { client: this.client, sweep, lookEvery: 200, sweepEvery: 1_000 });
    if (watch) await hostWatch.start();
    const fleet = createFleetActivities({
      client: this.client,
      taskQueue: this.town,
      mirrors: this.host.mirrors,
      logger: testLogger(),
    });
    const refinery = refineryWorkerOptions({ home, hostId, town: this.town });
    const { all: workers } = await createWorkers({
      connection: () => this.native,
      fleet,
      refinery,
      namespace,
      taskQueue: this.town,
      host: this.host,
      activities,
      workflowBundle: await deskBundle(),
      identity: `heartbead@${hostId} ${process.pid}`,
      dataConverter: {},
    });
    const runs = workers.map((worker) => worker.run());
    this.#stopWorkers = async () => {
      this.#stopWorkers = () => Promise.resolve();
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.all(runs);
      await hostWatch.stop();
      this.spare?.close();
    };
  }

  /** What is left on the disk of an attempt: its folder, its entry in the mirror, its branch. */
  async leftovers(desk: Desk): Promise<string[]> {
    const left: string[] = [];
    const dir = this.dir(desk);
    if (await dir.exists()) left.push(`folder: ${(await readdir(dir.path)).join(' ')}`);
    for (const mirror of await readdir(this.host.mirrors)) {
      const entries = await readdir(join(this.host.mirrors, mirror, 'worktrees')).catch(() => []);
      left.push(...entries.map((name) => `worktree: ${name}`));
      const branch = join(this.host.mirrors, mirror, 'refs/heads', attemptRefs.branch(desk.bead, desk.attempt));
      if (
        await stat(branch).then(
          () => true,
          () => false,
        )
      )
        left.push('branch');
    }
    return left;
  }
}
