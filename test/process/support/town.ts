import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { execa } from 'execa';
import { expect, onTestFinished } from 'vitest';
import { BeadClient } from '../../../src/client/index.js';
import { taskQueues } from '../../../src/contract/index.js';
import type { BeadInput, BeadView, Clocks } from '../../../src/contract/index.js';
import { AttemptDir, endProcesses, findProcesses } from '../../../src/runner/index.js';
import type { RunnerRecord } from '../../../src/runner/index.js';
import { killChild } from '../../../src/server/kill-child.js';
import { scratchFolder } from '../../support/scratch.js';
import { until as untilSeen } from '../../support/until.js';

const workerFile = fileURLToPath(new URL('../../../dist/worker.js', import.meta.url));

/**
 * The clocks, scaled down so that a story of minutes takes seconds; their proportions hold (`clocksProblem` sees to
 * that).
 */
export const quickClocks: Clocks = {
  beatEvery: 500,
  heartbeatTimeout: 4_000,
  signalEvery: 1_000,
  firstProgressWithin: 30_000,
  stalledAfter: 30_000,
  stopSilentAfter: 60_000,
  adoptWithin: 5_000,
  leaseFor: 9_000,
  giveUpAfter: 18_000,
  maxRuntime: 600_000,
  checkpointEvery: 1_000,
  stopGrace: 1_500,
};

/** Long enough for anything that happens at all on a busy machine; a test that waits so long has failed. */
export const generous = 90_000;

/** Waits for an event. @throws Error that tells what was seen last. */
export const until = <T>(what: string, look: () => Promise<T | undefined | false>, limit = generous): Promise<T> =>
  untilSeen(what, look, limit, 250);

/** The state letter of a process as the kernel has it (`T`: stopped, `S`, `R`…), or undefined when it is gone. */
export function processState(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
    return state === 'Z' || state === 'X' ? undefined : state;
  } catch {
    return undefined;
  }
}

/** The story of a bead, for the message of a failed expectation. */
export const told = (view: BeadView): string =>
  JSON.stringify({ attempts: view.attempts, story: view.story }, undefined, 1);

/** One worker process with a state directory of its own. */
export class Host {
  #worker: ChildProcess | undefined;
  log = '';

  constructor(
    readonly home: string,
    private readonly town: Town,
    /** Of the server, as the next worker finds it. */
    public address: string,
    private readonly maxAgents: number,
    /** Of the next worker. */
    public env: NodeJS.ProcessEnv = {},
    /** Of the next worker. */
    public args: readonly string[] = [],
    /** Of the next worker: another build. */
    public program: string = workerFile,
  ) {}

  get pid(): number {
    if (this.#worker?.pid === undefined) throw new Error('no worker is running');
    return this.#worker.pid;
  }

  /** Starts the worker and waits until it polls. */
  async start(): Promise<this> {
    const worker = spawn(
      process.execPath,
      [
        this.program,
        ...['--home', this.home, '--task-queue', this.town.queue, '--max-agents', String(this.maxAgents)],
        ...this.args,
      ],
      {
        env: { ...process.env, ...this.env, TEMPORAL_ADDRESS: this.address, TEMPORAL_NAMESPACE: this.town.namespace },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#worker = worker;
    worker.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    await until('the worker runs', () => {
      if (worker.exitCode !== null)
        throw new Error(`the worker ended with ${worker.exitCode}: ${this.log.slice(-2_000)}`);
      const state = JSON.parse(readFileSync(join(this.home, 'worker-state.json'), 'utf8')) as {
        pid: number;
        state: string;
      };
      return Promise.resolve(state.pid === worker.pid && state.state.toUpperCase() === 'RUNNING');
    });
    return this;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Kills the worker as a power cut would and waits until it is gone. */
  async kill(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await killChild(worker);
  }

  attempt(bead: string, attempt: string): AttemptDir {
    return AttemptDir.of(this.home, bead, attempt);
  }

  /** Ends all that was ever started here. */
  async end(): Promise<void> {
    await this.kill();
    for (const dir of await AttemptDir.list(this.home)) {
      const record = await dir.readRunner();
      if (record && processState(record.pid) !== undefined) process.kill(record.pid, 'SIGKILL');
      await endProcesses({ attempt: dir.attempt, graceMs: 0, group: record?.agent });
    }
  }
}

/** A bare repository with an empty commit on `main`. */
export async function makeOrigin(origin: string): Promise<void> {
  const work = `${origin}.work`;
  const git = (...args: string[]) =>
    execa('git', ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'init.defaultBranch=main', ...args]);
  await git('init', '--bare', origin);
  await git('clone', origin, work);
  await git('-C', work, 'commit', '--allow-empty', '-m', 'begin');
  await git('-C', work, 'push', 'origin', 'HEAD:main');
}

/** A server (not ours), a repository, and hosts that end with the test. */
export class Town {
  readonly hosts: Host[] = [];
  #beads = 0;

  private constructor(
    readonly folder: string,
    readonly origin: string,
    readonly queue: string,
    readonly namespace: string,
    readonly connection: Connection,
    readonly client: Client,
    readonly beads: BeadClient,
  ) {}

  /**
   * @param atEnd takes what is to be done at the end, last first; by default the end of the test.
   * @param payloadCodecs of the test's own client.
   */
  static async open(
    { address, namespace }: { address: string; namespace: string },
    atEnd: (end: () => void | Promise<void>) => void = onTestFinished,
    payloadCodecs: PayloadCodec[] = [],
  ): Promise<Town> {
    const folder = scratchFolder('town', atEnd);
    const origin = join(folder, 'origin.git');
    await makeOrigin(origin);
    const connection = await Connection.connect({ address });
    const client = new Client({ connection, namespace, dataConverter: { payloadCodecs } });
    const queue = `process-${Math.random().toString(36).slice(2, 10)}`;
    const town = new Town(folder, origin, queue, namespace, connection, client, new BeadClient({ client }));
    atEnd(() => town.end());
    return town;
  }

  async host(
    address: string,
    {
      name = `host${this.hosts.length + 1}`,
      maxAgents = 4,
      env = {},
      args = [],
      program,
    }: {
      name?: string;
      maxAgents?: number;
      env?: NodeJS.ProcessEnv;
      args?: readonly string[];
      program?: string;
    } = {},
  ): Promise<Host> {
    const home = join(this.folder, name);
    mkdirSync(home, { recursive: true });
    const host = new Host(home, this, address, maxAgents, env, args, program);
    this.hosts.push(host);
    return host.start();
  }

  /** Slings a bead with the demo agent. @returns its id. */
  async sling(options: Record<string, unknown> = {}, more: Partial<BeadInput> = {}): Promise<string> {
    const bead = more.bead ?? `p${(this.#beads += 1)}-${this.queue.slice(-8)}`;
    await this.beads.start(
      {
        bead,
        title: 'A test',
        repo: this.origin,
        agent: { adapter: 'demo', options: { steps: 6, stepMs: 150, ...options } },
        clocks: quickClocks,
        ...more,
      },
      taskQueues.main(this.queue),
    );
    return bead;
  }

  view(bead: string): Promise<BeadView> {
    return this.beads.view(bead);
  }

  /** Waits until the bead's state is as asked for. */
  seen(bead: string, what: string, is: (view: BeadView) => boolean, limit = generous): Promise<BeadView> {
    return until(
      `${bead} ${what}`,
      async () => {
        const view = await this.view(bead);
        if (is(view)) return view;
        throw new Error(`${view.status}, agent ${view.agent}: ${view.reason}`);
      },
      limit,
    );
  }

  closed(bead: string): Promise<BeadView> {
    return this.seen(bead, 'is closed', (view) => view.status === 'closed');
  }

  /** Waits until the bead is closed, and says that it was by one attempt, this one. */
  async closedByOne(bead: string, attempt: string | undefined): Promise<BeadView> {
    const closed = await this.closed(bead);
    const ends = closed.attempts.map(({ id, outcome }) => [id, outcome]);
    expect(ends, told(closed)).toEqual([[attempt, 'done']]);
    return closed;
  }

  /** Waits until the agent of the bead's current attempt runs and has made progress. */
  async working(
    bead: string,
    host: Host,
  ): Promise<{ view: BeadView; dir: AttemptDir; runner: RunnerRecord; agent: number }> {
    const view = await this.seen(
      bead,
      'works',
      (now) => now.agent === 'working' && now.current?.firstProgressAt !== undefined,
    );
    const dir = host.attempt(bead, view.current?.id ?? '');
    const runner = await dir.readRunner();
    if (runner?.agent === undefined) throw new Error('a working bead without an agent process');
    return { view, dir, runner, agent: runner.agent.pid };
  }

  /** @returns the commit that a ref of the origin points to. */
  async remote(ref: string): Promise<string | undefined> {
    const { stdout } = await execa('git', ['-C', this.origin, 'for-each-ref', '--format=%(objectname)', ref]);
    return stdout.trim() === '' ? undefined : stdout.trim();
  }

  /** Every process that carries the mark of an attempt. */
  processesOf(attempt: string): number[] {
    return findProcesses({ attempt }).map(({ pid }) => pid);
  }

  async end(): Promise<void> {
    for (const host of this.hosts) await host.end();
    await this.connection.close();
  }
}
