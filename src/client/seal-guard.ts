import type { Connection, WorkflowClientInterceptor } from '@temporalio/client';
import { howToGiveKeys, sealedWith } from '../codec/index.js';
import type { Keys } from '../codec/index.js';
import { readWorkerIdentity, taskQueues } from '../contract/index.js';
import type { WorkerIdentity } from '../contract/index.js';
import { ConfigurationError } from './errors.js';
import { pollersOf } from './pollers.js';
import { queryText } from './list.js';

/** What a look found is believed for so long: a town's keys change by hand. */
const believedFor = 30_000;
/** So many of the newest workflows are looked at. */
const looked = 10;

export interface SealedTown {
  connection: Connection;
  namespace: string;
  /** The town's main queue. */
  taskQueue: string;
  /** The keys of this program; undefined when it has none. */
  keys: Keys | undefined;
  /** A worker that starts: others may have no keys yet, since each gets them with its own start. */
  starting?: boolean;
}

/** What the payloads of a town's newest workflows are sealed with, as far as visibility shows it. */
export interface SealsSeen {
  /** Ids of keys. */
  ids: ReadonlySet<string>;
  plain: number;
}

/** @returns how the newest workflows of a town were begun. Asks the server for one page. */
export async function sealsSeen(
  { connection, namespace, taskQueue }: Pick<SealedTown, 'connection' | 'namespace' | 'taskQueue'>,
  pageSize = looked,
): Promise<SealsSeen> {
  const { executions } = await connection.workflowService.listWorkflowExecutions({
    namespace,
    pageSize,
    query: `TaskQueue = ${queryText(taskQueue)}`,
  });
  const memos = (executions ?? []).flatMap(({ memo }) => Object.values(memo?.fields ?? {}).slice(0, 1));
  const ids = memos.map((payload) => sealedWith(payload));
  return {
    ids: new Set(ids.filter((id) => id !== undefined)),
    plain: ids.filter((id) => id === undefined).length,
  };
}

/**
 * Refuses what would be written into a town in a way that the town cannot read, or in plain text where its payloads are
 * encrypted. A town without keys pays one look at its pollers for it, with the first thing that is written.
 * @throws ConfigurationError
 */
export async function checkSeal(town: SealedTown): Promise<void> {
  const { keys } = town;
  const workers = await workersOf(town);
  if (keys === undefined) {
    const keyed = workers.find((worker) => worker.keyed);
    // Where no worker lives, what was written before tells.
    const ids = keyed === undefined && workers.length === 0 ? (await sealsSeen(town)).ids : new Set<string>();
    if (keyed === undefined && ids.size === 0) return;
    const seen = keyed === undefined ? `key ${[...ids].join(', ')}` : `its worker on ${keyed.hostId} has keys`;
    throw new ConfigurationError(
      `the payloads of this town are encrypted (${seen}), and this program has no keys: nothing was sent, since it ` +
        'would stand there in plain text',
      howToGiveKeys,
    );
  }
  if (town.starting === true) return;
  const ring = await keys.ring();
  const keyless = ring.current === undefined ? undefined : workers.find((worker) => !worker.keyed);
  if (keyless !== undefined)
    throw new ConfigurationError(
      `the worker on ${keyless.hostId} has no keys, and could not read what this program encrypts: nothing was sent`,
      'give the keys to every worker of the town first (docs/security.md)',
    );
  const unknown = [...(await sealsSeen(town)).ids].filter((id) => !ring.keys.has(id));
  if (unknown.length > 0)
    throw new ConfigurationError(
      `the payloads of this town are encrypted with key ${unknown.join(', ')}, which is not among the keys from ` +
        `${keys.place}: nothing was sent`,
      'use the keys of the town (docs/security.md)',
    );
}

/** One of a host is enough: the server goes on naming a worker for a while after the next one has taken its place. */
async function workersOf(town: Omit<SealedTown, 'keys'>): Promise<WorkerIdentity[]> {
  const pollers = await pollersOf(town, taskQueues.main(town.taskQueue), 'workflow');
  const byHost = new Map<string, WorkerIdentity>();
  for (const { identity } of pollers.sort((one, other) => one.lastSeenAt - other.lastSeenAt)) {
    const worker = readWorkerIdentity(identity);
    if (worker !== undefined) byHost.set(worker.hostId, worker);
  }
  return [...byHost.values()];
}

/** Asks `checkSeal` before anything is written, once in a while. */
export function sealGuard(town: SealedTown): WorkflowClientInterceptor {
  let checkedAt = 0;
  const before = async <I, R>(input: I, next: (input: I) => Promise<R>): Promise<R> => {
    if (Date.now() - checkedAt > believedFor) {
      await checkSeal(town);
      checkedAt = Date.now();
    }
    return next(input);
  };
  return {
    startWithDetails: before,
    signal: before,
    signalWithStart: before,
    startUpdate: before,
    startUpdateWithStart: before,
  };
}
