import getPort from 'get-port';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { durationText } from '../domain/words.js';
import { errorMessage } from '../edge/errors.js';
import { findDevServer } from './find-dev-server.js';
import { lengthenRetention } from './retention.js';
import { registerSearchAttributes, searchAttributeNames } from './search-attributes.js';
import { ServerProcess } from './server-process.js';
import type { FoundBinary } from './found-binary.js';

const loopback = '127.0.0.1';
/** The server answers after 1–2 s on a quiet machine; a cold disk and two busy cores may take it tenfold. */
const healthyWithinMs = 60_000;
const lookEveryMs = 100;
const answerWithinMs = 2_000;

/**
 * Values of the dynamic configuration. Without the new matcher the server ignores priorities, without fairness it
 * ignores fairness keys, and with the usual four partitions per queue the order is only roughly kept (measured on
 * 1.29.1). Of the queries that come to a workflow in the middle of a workflow task only one may wait by default; the
 * next is refused as "resource exhausted", which the SDK's clients take for overload and try again after 1.4 to 2 s. A
 * host's claim asks just then, and so may those who look on: a start took 3 s instead of 1.
 */
export const serverSettings: Readonly<Record<string, boolean | number>> = {
  'matching.useNewMatcher': true,
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'history.MaxBufferedQueryCount': 100,
};

/**
 * Values of the dynamic configuration that only the embedded server has, as JSON. Its HTTP API listens on a port that
 * it chooses, nobody of us uses it, and it takes what any web page may send: no host that a request can name is served.
 */
const closedHttpApi = { 'frontend.httpAllowedHosts': '["none.invalid"]' } as const;

/**
 * Values that only the embedded server has, as JSON. What a client deletes, such as an answered question to a host,
 * goes when the server's queues have written down how far they are, which they do every 30 s and 10 s by themselves,
 * and ask each other at growing distances: 5 s instead of 37 s for five workflows (measured on 1.32.0).
 */
const soonDeleted = {
  'history.transferProcessorUpdateAckInterval': '"5s"',
  'history.visibilityProcessorUpdateAckInterval': '"5s"',
} as const;

export interface DevServerOptions {
  /**
   * The server's database; without it everything is forgotten when the server ends. Its folder is made when missing.
   */
  dbFile?: string;
  /** Default: a free one. */
  port?: number;
  /** The Web UI's port; default: a free one. `false`: no Web UI. */
  uiPort?: number | false;
  /** Default: `default`. */
  namespace?: string;
  /** What the server prints; default: a temporary file, removed by `stop` and `kill`. */
  logFile?: string;
  /** The program; default: what `findDevServer` finds. */
  program?: FoundBinary;
  /** Values of the dynamic configuration, as JSON, beside those that every server of ours has. */
  settings?: Readonly<Record<string, boolean | number | string>>;
  /** The server goes on when this process ends; otherwise it is ended then. */
  outlive?: boolean;
  log?: (line: string) => void;
}

export interface DevServer {
  /** `host:port` for clients and workers. */
  address: string;
  namespace: string;
  /** URL of the Web UI; absent without one. */
  uiAddress?: string;
  pid: number;
  program: FoundBinary;
  logFile: string;
  /** Resolves when the server's process has ended, for whatever reason. */
  ended: Promise<void>;
  /** Ends it: SIGTERM, after 10 s SIGKILL. Resolves when it is gone; may be called again. */
  stop: () => Promise<void>;
  /** SIGKILL, as a power cut would; the database stays. Resolves when it is gone. */
  kill: () => Promise<void>;
}

/** The server could not be started. The message says why and what to do. */
export class DevServerProblem extends Error {
  override readonly name = 'DevServerProblem';
}

/**
 * Starts Temporal's dev server on loopback and waits until it answers and has our search attributes and retention.
 * @throws {DevServerProblem} when a port is taken, or the server ends or does not answer in time.
 * @throws {ServerNotFound} when there is no program for it.
 */
export async function startDevServer(options: DevServerOptions = {}): Promise<DevServer> {
  const { dbFile, namespace = 'default', settings = {}, outlive = false, logFile, log = () => undefined } = options;
  const program = options.program ?? (await findDevServer({ log }));
  const port = await freePort(options.port);
  const uiPort = options.uiPort === false ? undefined : await freePort(options.uiPort);
  if (dbFile !== undefined) {
    mkdirSync(dirname(dbFile), { recursive: true, mode: 0o700 });
    // One that a server made before with the modes of its day.
    for (const file of [dbFile, `${dbFile}-wal`, `${dbFile}-shm`]) if (existsSync(file)) chmodSync(file, 0o600);
  }
  const server = new ServerProcess(program.path, commandLine({ port, uiPort, dbFile, namespace, settings }), {
    logFile,
    outlive,
  });
  const address = `${loopback}:${port}`;
  const problem = await Promise.race([server.ended.then(() => 'it ended at once'), untilReady(address, namespace)]);
  if (problem !== undefined) {
    const printed = server.lastLines();
    await server.kill();
    throw new DevServerProblem(
      [
        `the dev server ${program.path} does not come up: ${problem}`,
        ...printed.map((line) => `  ${line}`),
        ...adviceOn(printed, dbFile),
      ].join('\n'),
    );
  }
  return {
    address,
    namespace,
    pid: server.pid,
    program,
    logFile: server.logFile,
    ended: server.ended,
    uiAddress: uiPort === undefined ? undefined : `http://${loopback}:${uiPort}`,
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

interface CommandLine {
  port: number;
  uiPort: number | undefined;
  dbFile: string | undefined;
  namespace: string;
  settings: Readonly<Record<string, boolean | number | string>>;
}

function commandLine({ port, uiPort, dbFile, namespace, settings }: CommandLine): string[] {
  return [
    'server',
    'start-dev',
    '--ip',
    loopback,
    '--port',
    String(port),
    '--namespace',
    namespace,
    '--log-level',
    'warn',
    '--log-format',
    'json',
    ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort)]),
    ...(dbFile === undefined ? [] : ['--db-filename', dbFile]),
    ...Object.entries({ ...serverSettings, ...closedHttpApi, ...soonDeleted, ...settings }).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${value}`,
    ]),
    ...searchAttributeNames.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ];
}

async function freePort(wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return getPort({ host: loopback });
  // Not by get-port: that calls a port taken which it has itself named a short while ago, so a server could not come
  // back where it was.
  const refusal = await listenProblem(wanted);
  if (refusal === 'EACCES')
    throw new DevServerProblem(
      `port ${wanted} needs rights that this user lacks: choose another port ` +
        `(${await getPort({ host: loopback })} is free)`,
    );
  if (refusal !== undefined)
    throw new DevServerProblem(
      `port ${wanted} is taken by another program: end that one, or choose another port ` +
        `(${await getPort({ host: loopback })} is free)`,
    );
  return wanted;
}

function listenProblem(port: number): Promise<'EADDRINUSE' | 'EACCES' | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(error.code) : reject(error),
    );
    server.listen({ port, host: loopback }, () => server.close(() => resolve(undefined)));
  });
}

/** @returns undefined when the server is ready, else what is wrong. */
async function untilReady(address: string, namespace: string): Promise<string | undefined> {
  const giveUpAt = Date.now() + healthyWithinMs;
  for (;;) {
    const problem = await readyProblem(address, namespace);
    if (problem === undefined) return undefined;
    if (Date.now() > giveUpAt) return `no answer after ${durationText(healthyWithinMs)} (${problem})`;
    await sleep(lookEveryMs);
  }
}

async function readyProblem(address: string, namespace: string): Promise<string | undefined> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: answerWithinMs });
    await connection.workflowService.describeNamespace({ namespace });
    await registerSearchAttributes(connection, namespace);
    await lengthenRetention(connection, namespace);
    return undefined;
  } catch (error) {
    // While it comes up, every kind of refusal is possible; the last one is told if it never does.
    return errorMessage(error);
  } finally {
    await connection?.close();
  }
}

/** Next steps for what the server is known to print. */
function adviceOn(printed: readonly string[], dbFile: string | undefined): string[] {
  const text = printed.join('\n');
  if (/address already in use/i.test(text))
    return ['Another program took one of its ports meanwhile; try again, or choose other ports.'];
  if (dbFile !== undefined && /database is locked|SQLITE_BUSY/i.test(text))
    return [`Another server uses ${dbFile}; end that one, or choose another state directory.`];
  if (dbFile !== undefined && /unable to open database|readonly database|SQLITE_/i.test(text))
    return [
      `The database ${dbFile} cannot be used; move it away (what it holds is lost to the new server) or ` +
        'choose another state directory.',
    ];
  return [];
}
