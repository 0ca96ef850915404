import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import { searchAttributes } from '../contract/names.js';
import type { Connection } from '@temporalio/client';
import { durationText } from '../domain/words.js';

/** `INDEXED_VALUE_TYPE_KEYWORD` of the API; all of ours are Keywords, which list filters compare as a whole. */
const keyword = 2;
/** gRPC status codes that mean something here. */
const code = { invalidArgument: 3, alreadyExists: 6, permissionDenied: 7, unimplemented: 12 } as const;
/**
 * A server tells all its parts of new attributes within about 10 s (its registry's refresh); three times that, on a
 * busy machine.
 */
const visibleWithinMs = 30_000;
const lookEveryMs = 200;

/** Names of Heartbead's search attributes. */
export const searchAttributeNames: readonly string[] = Object.values(searchAttributes);

/** They cannot be registered by us. The message says why, and what to do. */
export class SearchAttributesProblem extends Error {
  override readonly name = 'SearchAttributesProblem';
}

/**
 * Registers Heartbead's search attributes where they are missing, and waits until the server takes them. May be called
 * again at any time and by several callers at once; works on real servers and on the time-skipping one.
 * @returns the names that were missing (on the time-skipping server, which cannot list them: all of them).
 * @throws {SearchAttributesProblem} when one exists with another type, when we may not register them, or when they do
 * not show up in time.
 */
export async function registerSearchAttributes(
  connection: Connection,
  namespace: string,
  withinMs: number = visibleWithinMs,
): Promise<string[]> {
  const listed = await missingSearchAttributes(connection, namespace);
  const missing = listed ?? [...searchAttributeNames];
  if (missing.length > 0 && !(await add(connection, namespace, missing))) {
    // Some are there already, and then the server adds none: somebody else is registering them too, or it cannot list
    // them.
    for (const name of missing) await add(connection, namespace, [name]);
  }
  if (listed === undefined) return missing;
  const giveUpAt = Date.now() + withinMs;
  while (!(await areUsable(connection, namespace))) {
    if (Date.now() > giveUpAt)
      throw new SearchAttributesProblem(
        `the server does not take the search attributes ${searchAttributeNames.join(', ')} after ` +
          `${durationText(withinMs)}; try again, or look at the server's log`,
      );
    await sleep(lookEveryMs);
  }
  return missing;
}

/**
 * @returns the names of our search attributes that the namespace lacks; undefined when the server cannot tell (the
 * time-skipping one).
 * @throws {SearchAttributesProblem} when one exists with another type.
 */
export async function missingSearchAttributes(
  connection: Connection,
  namespace: string,
): Promise<string[] | undefined> {
  const attributes = await list(connection, namespace);
  if (attributes === undefined) return undefined;
  const wrong = searchAttributeNames.filter((name) => attributes[name] !== undefined && attributes[name] !== keyword);
  if (wrong.length > 0) {
    throw new SearchAttributesProblem(
      `the namespace ${namespace} has ${wrong.join(', ')} with another type than Keyword; use another ` +
        'namespace (TEMPORAL_NAMESPACE), or have whoever owns that one give the name another type',
    );
  }
  return searchAttributeNames.filter((name) => attributes[name] === undefined);
}

async function list(connection: Connection, namespace: string): Promise<Record<string, number> | undefined> {
  try {
    return (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;
  } catch (error) {
    if (hasCode(error, code.unimplemented)) return undefined;
    throw error;
  }
}

/** @returns false when one of them exists already. */
async function add(connection: Connection, namespace: string, names: readonly string[]): Promise<boolean> {
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(names.map((name) => [name, keyword])),
    });
    return true;
  } catch (error) {
    if (hasCode(error, code.alreadyExists)) return false;
    throw hasCode(error, code.permissionDenied)
      ? new SearchAttributesProblem(howToCreate(namespace, names), { cause: error })
      : error;
  }
}

/** Listed is not yet usable: only a query with all of them shows that the part which validates them knows them too. */
async function areUsable(connection: Connection, namespace: string): Promise<boolean> {
  if ((await missingSearchAttributes(connection, namespace))?.length !== 0) return false;
  try {
    await connection.workflowService.countWorkflowExecutions({
      namespace,
      query: searchAttributeNames.map((name) => `${name} = 'none'`).join(' AND '),
    });
    return true;
  } catch (error) {
    if (hasCode(error, code.invalidArgument)) return false;
    throw error;
  }
}

const howToCreate = (namespace: string, missing: readonly string[]): string =>
  `we may not register search attributes in the namespace ${namespace}; let somebody who may do so run: ` +
  `temporal operator search-attribute create --namespace ${namespace} ` +
  `${missing.map((name) => `--name ${name} --type Keyword`).join(' ')}`;

const hasCode = (error: unknown, wanted: number): boolean => isGrpcServiceError(error) && Number(error.code) === wanted;
