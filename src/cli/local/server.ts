import { join } from 'node:path';
import { connectionSettings } from '../../client/connect.js';
import type { ConnectionSettings } from '../../client/connect.js';
import { NoServerError } from '../../client/errors.js';
import { readRecord, writeRecord } from '../../client/records.js';
import type { ServerRecord } from '../../client/records.js';
import { processStartTime } from '../../runner/processes/process.js';
import { findDevServer, startDevServer } from '../../server/index.js';
import { usageError } from '../exit.js';
import { freePort } from '../../operator/free-port.js';
import { isAlive } from './processes.js';

export interface ServerOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  /** Ports of the server and its Web UI; by default those it had before, else the usual ones if they are free. */
  port?: number;
  uiPort?: number;
  taskQueue: string;
  log: (line: string) => void;
  signal?: AbortSignal;
}

/** The server of a state directory, and whether this call has started it. */
export interface TownServer {
  state: 'configured' | 'running' | 'started';
  settings: ConnectionSettings;
  /** What is known of an embedded server; absent for any other. */
  record?: ServerRecord;
}

/** Where Temporal's own tools look first. */
const usualPorts = { server: 7233, ui: 8233 };

/**
 * The configured server, else the one that runs in this state directory, else a new one on its database there. A new
 * one outlives this process.
 * @throws ServerNotFound, DevServerProblem, CliError
 */
export async function ensureServer(options: ServerOptions): Promise<TownServer> {
  const { home, env, log, taskQueue } = options;
  const settings = await settingsHere(home, env);
  if (settings?.source === 'configured') return { state: 'configured', settings };
  const before = await readRecord(home, 'server');
  if (settings !== undefined && before !== undefined && isAlive(before)) {
    if (options.port !== undefined && !before.address.endsWith(`:${options.port}`))
      throw usageError(
        `the server of ${home} runs already, at ${before.address}`,
        'stop it with `heartbead down` before giving it another port',
      );
    return { state: 'running', settings, record: before };
  }
  const program = await findDevServer({
    log,
    env,
    signal: options.signal,
  });
  // Agents that live on from an earlier `up` know the old address: it must come back where it was.
  const port = options.port ?? (await freePort(preferred(portOf(before?.address), usualPorts.server)));
  if (before !== undefined && options.port === undefined && port !== portOf(before.address))
    log(
      `the port of before (${before.address}) is taken: agents that are still running will be frozen until ` +
        'they are adopted at the new one',
    );
  const uiPort = options.uiPort ?? (await freePort(preferred(portOf(before?.uiAddress), usualPorts.ui)));
  const dbFile = join(home, 'temporal.db');
  const logFile = join(home, 'logs', 'server.log');
  const server = await startDevServer({ dbFile, port, uiPort, logFile, program, outlive: true, log });
  const record: ServerRecord = {
    pid: server.pid,
    startTime: processStartTime(server.pid) ?? '',
    log: logFile,
    address: server.address,
    uiAddress: server.uiAddress ?? '',
    namespace: server.namespace,
    taskQueue,
    dbFile,
    source: program.source,
  };
  await writeRecord(home, 'server', record);
  const found = await settingsHere(home, env);
  if (found === undefined)
    throw new NoServerError(`the server at ${record.address} ended again at once`, `read its log: ${logFile}`);
  return { state: 'started', settings: found, record };
}

async function settingsHere(home: string, env: NodeJS.ProcessEnv): Promise<ConnectionSettings | undefined> {
  try {
    const settings = await connectionSettings({ env, home });
    // A demo below this directory is somebody else's town.
    return settings.home === home ? settings : undefined;
  } catch (error) {
    if (error instanceof NoServerError) return undefined;
    throw error;
  }
}

function portOf(address: string | undefined): number | undefined {
  const port = Number(address?.split(':').at(-1));
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

/** The former one, the usual one, and some beside it. */
function* preferred(before: number | undefined, usual: number): Generator<number> {
  if (before !== undefined) yield before;
  for (let port = usual; port < usual + 50; port += 1) yield port;
}
