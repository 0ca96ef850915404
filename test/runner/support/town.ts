import { CompleteAsyncError, Context } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inject, onTestFinished } from 'vitest';
import type { CellPlan } from '../../../src/cell/index.js';
import { unlessOvertaken } from '../../../src/client/as-client-error.js';
import { attemptRefs, beadWorkflowId } from '../../../src/contract/index.js';
import type {
  AgentSpec,
  Clocks,
  HeartbeatSignal,
  Message,
  NoteSignal,
  StartAgentInput,
} from '../../../src/contract/index.js';
import { createWorktree, updateMirror } from '../../../src/git/index.js';
import { AttemptDir, endProcesses, processAlive, RunnerControl, spawnRunner } from '../../../src/runner/index.js';
import type { RunnerStatus, SpawnOutcome } from '../../../src/runner/index.js';
import type { FakeBeadInput, FakeBeadResult, Order, fakeBead } from './fake-bead.js';
import { until } from '../../support/until.js';

const exec = promisify(execFile);
export const git = async (cwd: string, ...args: string[]): Promise<string> =>
  (
    await exec('git', args, {
      cwd,
      env: {
        ...process.env,
        GIT_AUTHOR_NAME: 'T',
        GIT_AUTHOR_EMAIL: 't@localhost',
        GIT_COMMITTER_NAME: 'T',
        GIT_COMMITTER_EMAIL: 't@localhost',
      },
    })
  ).stdout.trim();

/** Short enough for a test, long enough that a busy machine is not taken for a dead one. */
export const quickClocks: Clocks = {
  beatEvery: 200,
  heartbeatTimeout: 20_000,
  signalEvery: 500,
  firstProgressWithin: 60_000,
  stalledAfter: 60_000,
  stopSilentAfter: 120_000,
  adoptWithin: 10_000,
  leaseFor: 20_000,
  giveUpAfter: 60_000,
  maxRuntime: 3_600_000,
  checkpointEvery: 3_600_000,
  stopGrace: 10_000,
};

export const host = 'test-host';

export interface AttemptOptions {
  agent: AgentSpec;
  clocks?: Partial<Clocks>;
  messages?: Message[];
  /** What its host has decided of its walls; by default what the agent asks for. */
  cell?: CellPlan;
  /** Address of the server as the runner sees it (a line that can be cut). */
  address?: string;
  /** Does something with the empty state directory first, and hears of its end. */
  home?: (path: string) => Promise<() => Promise<void>>;
}

/** One attempt of one fake bead, with a repository, a worktree and a folder, as a host would have made them. */
export interface Attempt {
  bead: string;
  dir: AttemptDir;
  control: RunnerControl;
  origin: string;
  baseSha: string;
  /** Spawns the runner and waits for the fence. */
  spawn(): Promise<SpawnOutcome>;
  /** The next task token that the bead's activity gets: after an order to reissue, or a heartbeat timeout. */
  nextToken(): Promise<Uint8Array>;
  order(order: Order): Promise<void>;
  heard(): Promise<(HeartbeatSignal & { at: number })[]>;
  notes(): Promise<NoteSignal[]>;
  /** How the bead ended. */
  ended(): Promise<FakeBeadResult>;
  status(): Promise<RunnerStatus>;
  runnerPid(): Promise<number>;
  /** Commit at a ref of the origin. */
  remote(ref: string): Promise<string | undefined>;
}

export interface Town {
  client: Client;
  attempt(options: AttemptOptions): Promise<Attempt>;
  stop(): Promise<void>;
}

/** A worker for fake beads whose `startAgent` only hands its token to the test. One per test file. */
export async function startTown(): Promise<Town> {
  const { address, namespace } = inject('devServer');
  const connection = await Connection.connect({ address });
  const nativeConnection = await NativeConnection.connect({ address });
  const client = new Client({ connection, namespace });
  const taskQueue = `runner-test-${randomBytes(4).toString('hex')}`;
  const tokens = new Map<string, Uint8Array[]>();
  const worker = await Worker.create({
    connection: nativeConnection,
    namespace,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./fake-bead.ts', import.meta.url)),
    activities: {
      startAgent: (bead: string): never => {
        tokens.set(bead, [...(tokens.get(bead) ?? []), Context.current().info.taskToken]);
        throw new CompleteAsyncError();
      },
    },
  });
  const running = worker.run();

  const attempt = async (options: AttemptOptions): Promise<Attempt> => {
    const bead = `b${randomBytes(5).toString('hex')}`;
    const id = `1-${randomBytes(4).toString('hex')}`;
    const clocks = { ...quickClocks, ...options.clocks };
    const home = await realpath(await mkdtemp(join(tmpdir(), 'hb-runner-')));
    const dir = AttemptDir.of(home, bead, id);
    const giveBack = await options.home?.(home);
    onTestFinished(async () => {
      await endAll(dir);
      await giveBack?.();
      await rm(home, { recursive: true, force: true });
    });
    const { origin, baseSha } = await makeOrigin(home);
    const { path: mirror } = await updateMirror({ root: join(home, 'mirrors'), repo: origin });
    await dir.create();
    await createWorktree({ mirror, path: dir.worktree, branch: attemptRefs.branch(bead, id), at: baseSha });
    const input: StartAgentInput = {
      bead,
      attempt: id,
      number: 1,
      mode: 'start',
      title: 'A test',
      body: 'Do it.',
      repo: origin,
      agent: options.agent,
      clocks,
      notes: [],
      messages: options.messages ?? [],
    };
    await dir.writeInput(input);
    await dir.writeSetup({ host, baseSha, mirror, ports: { from: 20_400, count: 5 }, cell: options.cell });
    await dir.writeConnection({ address: options.address ?? address, namespace });

    const handle = await client.workflow.start<typeof fakeBead>('fakeBead', {
      workflowId: beadWorkflowId(bead),
      taskQueue,
      args: [{ bead, attempt: id, heartbeatTimeout: clocks.heartbeatTimeout } satisfies FakeBeadInput],
    });
    const current = client.workflow.getHandle<typeof fakeBead>(beadWorkflowId(bead));
    onTestFinished(() =>
      current.terminate().then(
        () => undefined,
        () => undefined,
      ),
    );
    const state = (): Promise<{ heard: (HeartbeatSignal & { at: number })[]; notes: NoteSignal[] }> =>
      current.query('state');
    let taken = 0;
    const nextToken = async (): Promise<Uint8Array> => {
      const token = await until('a task token', () => tokens.get(bead)?.[taken]);
      taken += 1;
      return token;
    };
    await dir.writeToken(await nextToken());
    const control = new RunnerControl(dir);
    return {
      bead,
      dir,
      control,
      origin,
      baseSha,
      nextToken,
      spawn: () => spawnRunner(dir),
      order: (order) => unlessOvertaken(() => current.executeUpdate('order', { args: [order] })),
      heard: async () => (await state()).heard,
      notes: async () => (await state()).notes,
      ended: () => handle.result(),
      status: () => control.status(),
      runnerPid: async () => (await dir.readRunner())?.pid ?? 0,
      remote: async (ref) => (await git(origin, 'for-each-ref', '--format=%(objectname)', ref)) || undefined,
    };
  };

  return {
    client,
    attempt,
    stop: async () => {
      worker.shutdown();
      await running;
      await nativeConnection.close();
      await connection.close();
    },
  };
}

async function makeOrigin(home: string): Promise<{ origin: string; baseSha: string }> {
  const seed = join(home, 'seed');
  await mkdir(seed);
  await git(seed, 'init', '--quiet', '--initial-branch=main');
  await writeFile(join(seed, 'README.md'), '# A test\n');
  await git(seed, 'add', '.');
  await git(seed, 'commit', '--quiet', '-m', 'first');
  const origin = join(home, 'origin.git');
  await git(home, 'clone', '--quiet', '--bare', seed, origin);
  return { origin, baseSha: await git(seed, 'rev-parse', 'HEAD') };
}

/** Whatever a test has left of an attempt, also after its failure. */
async function endAll(dir: AttemptDir): Promise<void> {
  const record = await dir.readRunner();
  if (record !== undefined && processAlive(record.pid, record.startTime)) process.kill(record.pid, 'SIGKILL');
  await endProcesses({ attempt: dir.attempt, graceMs: 0, group: record?.agent });
}
