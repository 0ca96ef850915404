/**
 * Makes a namespace of a real server ready for Heartbead: creates it if it is missing, and registers the search
 * attributes. For the one-shot job of `docker-compose.yml` and for operators: `node dist/server/prepare-namespace.js`,
 * with the usual `TEMPORAL_…` variables. May be run at any time again.
 * @module
 */
import { realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isGrpcServiceError } from '@temporalio/client';
import { connect } from '../client/connect.js';
import { ClientError, NoServerError } from '../client/errors.js';
import { errorMessage } from '../edge/errors.js';
import { defaultRetentionDays, retentionSeconds } from './retention.js';
import { registerSearchAttributes } from './search-attributes.js';
import type { Connection } from '@temporalio/client';
import type { TownConnection } from '../client/connect.js';

const code = { notFound: 5, alreadyExists: 6, unavailable: 14 } as const;
/**
 * A server that has just been started, with its schema, or a namespace of which not all its parts know yet (they look
 * every 10 s).
 */
const readyWithinMs = 120_000;
const retryEveryMs = 1_000;

export interface PrepareOptions {
  /**
   * Days for which closed beads are kept, for a namespace that has to be created; default 30. An existing one is left
   * as it is.
   */
  retentionDays?: number;
  log?: (line: string) => void;
}

/**
 * @throws {SearchAttributesProblem} when the search attributes cannot be registered; the server's error when the
 * namespace cannot be created.
 */
export async function prepareNamespace(
  connection: Connection,
  namespace: string,
  { retentionDays = defaultRetentionDays, log = () => undefined }: PrepareOptions = {},
): Promise<void> {
  const created = await patiently(() => create(connection, namespace, retentionDays));
  log(
    created
      ? `created the namespace ${namespace}, which keeps closed beads for ${retentionDays} days`
      : `the namespace ${namespace} is there`,
  );
  const added = await patiently(() => registerSearchAttributes(connection, namespace));
  log(added.length === 0 ? 'the search attributes are there' : `registered the search attributes ${added.join(', ')}`);
}

/** @returns false when it exists already. */
async function create(connection: Connection, namespace: string, retentionDays: number): Promise<boolean> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return false;
  } catch (error) {
    if (!hasCode(error, code.notFound)) throw error;
  }
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: retentionSeconds(retentionDays),
    });
    return true;
  } catch (error) {
    if (hasCode(error, code.alreadyExists)) return false;
    throw error;
  }
}

/** Tries again while the server is not quite there yet. */
async function patiently<T>(action: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + readyWithinMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      // Only a server that did not answer has a cause; one that nobody has configured will not come up.
      const silent = error instanceof NoServerError && error.cause !== undefined;
      const early = silent || hasCode(error, code.notFound) || hasCode(error, code.unavailable);
      if (!early || Date.now() > giveUpAt) throw error;
      await sleep(retryEveryMs);
    }
  }
}

const hasCode = (error: unknown, wanted: number): boolean => isGrpcServiceError(error) && Number(error.code) === wanted;

async function main(): Promise<void> {
  const log = (line: string): void => console.log(line);
  const days = Number(process.env['HEARTBEAD_RETENTION_DAYS'] ?? defaultRetentionDays);
  if (!Number.isInteger(days) || days < 1)
    throw new Error(
      'HEARTBEAD_RETENTION_DAYS is a whole number of days, at least 1, not ' +
        JSON.stringify(process.env['HEARTBEAD_RETENTION_DAYS']),
    );
  const town: TownConnection = await patiently(() => connect());
  try {
    await prepareNamespace(town.connection, town.namespace, { retentionDays: days, log });
  } finally {
    await town.close();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await main();
  } catch (error) {
    console.error(
      'heartbead: ' + `${errorMessage(error)}` + `${error instanceof ClientError ? `; ${error.next}` : ''}`,
    );
    process.exitCode = 1;
  }
}
