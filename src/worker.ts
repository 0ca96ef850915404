/**
 * Entry point of a worker: `node dist/worker.js [--max-agents N] [--home DIR] [--task-queue Q] [--disk-floor MIB]
 * [--health-port PORT] [--metrics-port PORT] [--metrics-host ADDRESS] [--codec-port PORT]
 * [--versioning auto|manual|off]`. The server comes from `@temporalio/envconfig` (TEMPORAL_ADDRESS and its like), or is
 * the one that `heartbead up` has started in the state directory. Logs are JSON lines on stderr. SIGINT, SIGTERM and
 * SIGHUP end it; its agents live on. Exit codes: 0 stopped, 1 failed, 2 usage.
 * @module
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { connectionSettings } from './client/connect.js';
import { KeysError, codecOrigins } from './codec/index.js';
import { ClientError } from './client/errors.js';
import { fileProblem } from './edge/file-problem.js';
import { WorkerLockHeldError } from './host/index.js';
import { complain } from './runner/complain.js';
import { keepAllocatorToOurselves } from './worker/memory.js';
import { freePort } from './operator/free-port.js';
import { numberOf, wordOf, workerFlags } from './worker/settings.js';
import type { WorkerSettings } from './worker/settings.js';
import { installRuntime } from './worker/runtime.js';
import { startWorker } from './worker/start-worker.js';

export { startWorker } from './worker/start-worker.js';
export type { RunningWorker, StartWorkerOptions } from './worker/start-worker.js';

class UsageError extends Error {}

/** @throws UsageError */
function readArguments(args: string[]): WorkerSettings {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: Object.fromEntries(
        Object.values(workerFlags).map(({ flag }) => [flag.slice('--'.length), { type: 'string' } as const]),
      ),
    }));
    const settings: Record<string, string | number> = {};
    for (const [name, known] of Object.entries(workerFlags)) {
      const given = values[known.flag.slice('--'.length)];
      if (typeof given === 'string')
        settings[name] = 'least' in known ? numberOf(known, given) : 'words' in known ? wordOf(known, given) : given;
    }
    return settings;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** JSON lines. Standard error may be a file on a full disk: that costs lines, never the worker. */
const logToStandardError = (): Logger =>
  pino({ base: { pid: process.pid } }, { write: (line: string) => complain(line.trimEnd()) });

/**
 * Runs a worker until it is told to stop. Installs the SDK's runtime, whose threads outlive a worker that could not
 * start: so it is for processes that do nothing else, and the caller ends the process with what this returns.
 * @returns the exit code.
 */
export async function runWorker(
  { taskQueue, metricsPort, metricsHost, codecPort, ...settings }: WorkerSettings,
  logger: Logger = logToStandardError(),
): Promise<number> {
  try {
    const place = settings.home === undefined ? {} : { home: settings.home };
    const found = await connectionSettings(place);
    keepAllocatorToOurselves();
    const metrics =
      metricsPort === undefined ? undefined : { port: metricsPort, host: metricsHost, corePort: await freePort([]) };
    installRuntime(logger, metrics?.corePort);
    const worker = await startWorker({
      ...settings,
      home: settings.home ?? found.home,
      connection: found.options,
      readConnection: found.source === 'configured' ? async () => (await connectionSettings(place)).options : undefined,
      namespace: found.namespace,
      keySource: found.keySource,
      privateNames: found.privateNames,
      taskQueue: taskQueue ?? found.taskQueue,
      metrics,
      codec:
        codecPort === undefined ? undefined : { port: codecPort, origins: codecOrigins(process.env, found.uiAddress) },
      logger,
    });
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      // The second time somebody means it: the work is safe with the runners and the server.
      if (stopping) process.exit(1);
      stopping = true;
      logger.info({ signal }, 'the worker stops; its agents live on');
      void worker.stop();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    await worker.done;
    return 0;
  } catch (error) {
    const told = error instanceof ClientError || error instanceof KeysError ? error : fileProblem(error);
    const known = told !== undefined || error instanceof WorkerLockHeldError;
    const message = told === undefined ? (error as Error).message : `${told.message}; ${told.next}`;
    logger.fatal(known ? {} : { err: error }, message);
    return 1;
  }
}

async function main(args: string[]): Promise<number> {
  let settings: WorkerSettings;
  try {
    settings = readArguments(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    logToStandardError().fatal(error.message);
    return 2;
  }
  return runWorker(settings);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // What others say on standard error must not end it either.
  process.stderr.on('error', () => undefined);
  process.exit(await main(process.argv.slice(2)));
}
