import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TownConnection } from '../../client/connect.js';
import { pollersOf } from '../../client/pollers.js';
import { readRecord, writeRecord } from '../../client/records.js';
import type { WorkerRecord } from '../../client/records.js';
import { readWorkerIdentity, taskQueues } from '../../contract/index.js';
import { durationText } from '../../domain/words.js';
import { compiledFile } from '../../package/compiled.js';
import { allocatorEnvironment, workerNodeFlags } from '../../worker/memory.js';
import { workerFlags } from '../../worker/settings.js';
import type { WorkerSettings } from '../../worker/settings.js';
import { readWorkerState } from '../../worker/state-file.js';
import { failure } from '../exit.js';
import { isAlive, logTail, spawnDetached } from './processes.js';

/** What `up` hands on to the worker that it starts. */
export type WorkerFlags = Pick<
  WorkerSettings,
  'maxAgents' | 'startLimit' | 'versioning' | 'metricsPort' | 'metricsHost' | 'codecPort'
>;

export interface WorkerOptions extends WorkerFlags {
  home: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
}

export interface TownWorker {
  /** `running`: it was there before, started by an earlier `up` or by hand. */
  state: 'running' | 'started';
  record: WorkerRecord;
}

/**
 * A worker polls about two seconds after its start; a busy machine of two cores may take tenfold, and a slow disk more.
 */
const readyWithin = 90_000;
const lookEvery = 200;

/** @returns the settings of a worker as words of a command line. */
export const flagsOf = (flags: WorkerFlags): string[] =>
  Object.entries(flags).flatMap(([name, given]) =>
    given === undefined ? [] : [workerFlags[name as keyof WorkerFlags].flag, String(given)],
  );

/**
 * The worker of a state directory: the one that runs, or a new one, which outlives this process. Resolves when it polls
 * its queues.
 * @throws CliError when it ends at once (with the end of its log) or does not poll in time.
 */
export async function ensureWorker(
  town: TownConnection,
  { home, env, log, ...flags }: WorkerOptions,
): Promise<TownWorker> {
  const before = (await readRecord(home, 'worker')) ?? (await byHand(home));
  if (before !== undefined && isAlive(before)) return { state: 'running', record: before };
  const queue = town.taskQueue;
  const started = Date.now();
  const logFile = join(home, 'logs', 'worker.log');
  const args = ['--home', home, '--task-queue', queue, ...flagsOf(flags)];
  const child = await spawnDetached([...workerNodeFlags, compiledFile('worker'), ...args], {
    log: logFile,
    env: { ...allocatorEnvironment, ...env, HEARTBEAD_HOME: home },
  });
  const record: WorkerRecord = { ...child, taskQueue: queue, maxAgents: flags.maxAgents ?? 0, address: town.address };
  await writeRecord(home, 'worker', record);
  log(`starting the worker (pid ${child.pid}, log ${logFile})`);
  for (;;) {
    if (!isAlive(record)) {
      const said = (await logTail(logFile, 40)).map(sentenceOf).findLast((line) => line !== undefined);
      throw failure(`the worker ended at once${said === undefined ? '' : `: ${said}`}`, `read its log: ${logFile}`);
    }
    if (await polls(town, queue, child.pid, started)) {
      // What it says of itself, such as its default for `--max-agents`.
      const told = await readWorkerState(home);
      const full = told?.pid === child.pid ? { ...record, maxAgents: told.maxAgents } : record;
      await writeRecord(home, 'worker', full);
      return { state: 'started', record: full };
    }
    if (Date.now() - started > readyWithin)
      throw failure(
        `the worker (pid ${child.pid}) does not ask for work after ${durationText(readyWithin)}`,
        `read its log: ${logFile}`,
      );
    await sleep(lookEvery);
  }
}

/**
 * A worker that somebody runs by hand (`heartbead worker`, a service) says so in its own file; it is not ours to stop.
 */
async function byHand(home: string): Promise<WorkerRecord | undefined> {
  const told = await readWorkerState(home);
  return told === undefined
    ? undefined
    : {
        pid: told.pid,
        startTime: told.startTime ?? '',
        log: 'its own standard error',
        taskQueue: told.taskQueue,
        maxAgents: told.maxAgents,
        address: told.address,
      };
}

/** Both kinds of queue must be polled: a bead that is slung right after must find its worker. */
async function polls(town: TownConnection, queue: string, pid: number, since: number): Promise<boolean> {
  const [workflows, agents] = await Promise.all([
    pollersOf(town, queue, 'workflow'),
    pollersOf(town, taskQueues.agents(queue), 'activity'),
  ]);
  // The server's clock may differ a little from ours; the pid in the identity settles it where clocks do not.
  const own = (pollers: typeof workflows): boolean =>
    pollers.some(
      ({ identity, lastSeenAt }) => readWorkerIdentity(identity)?.pid === pid && lastSeenAt > since - 30_000,
    );
  return own(workflows) && own(agents);
}

/** @returns what a line of the worker's log says to people, if anything. */
function sentenceOf(line: string): string | undefined {
  if (line.trim() === '' || /^\s+at /.test(line)) return undefined;
  try {
    const entry = JSON.parse(line) as { msg?: unknown; message?: unknown };
    const text = entry.msg ?? entry.message;
    return typeof text === 'string' ? text : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return line.trim().slice(0, 500);
    throw error;
  }
}
