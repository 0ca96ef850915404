/**
 * Entry point of a worker: `node dist/worker.js [--max-agents N] [--home DIR] [--task-queue Q] [--disk-floor MIB]
 * [--health-port PORT]`. The server comes from `@temporalio/envconfig` (TEMPORAL_ADDRESS and its like), or is the one
 * that `heartbead up` has started in the state directory. Logs are JSON lines on stderr. SIGINT, SIGTERM and SIGHUP end
 * it; its agents live on. Exit codes: 0 stopped, 1 failed, 2 usage.
 * @module
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { connectionSettings } from './client/connect.js';
import { ClientError } from './client/errors.js';
import { WorkerLockHeldError } from './host/index.js';
import { complain } from './runner/complain.js';
import { keepAllocatorToOurselves } from './worker/memory.js';
import { installRuntime } from './worker/runtime.js';
import { startWorker } from './worker/start-worker.js';

export { startWorker } from './worker/start-worker.js';
export type { RunningWorker, StartWorkerOptions } from './worker/start-worker.js';

interface Settings {
  home?: string;
  taskQueue?: string;
  maxAgents?: number;
  diskFloor?: number;
  healthPort?: number;
}

class UsageError extends Error {}

/** @throws UsageError */
function readArguments(args: string[]): Settings {
  const text = { type: 'string' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: { home: text, 'task-queue': text, 'max-agents': text, 'disk-floor': text, 'health-port': text },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const whole = (
    name: 'max-agents' | 'disk-floor' | 'health-port',
    least: number,
    most: number,
  ): number | undefined => {
    const given = values[name];
    if (given === undefined) return undefined;
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < least || value > most)
      throw new UsageError(`--${name} is a whole number from ${least} to ${most}, not ${JSON.stringify(given)}`);
    return value;
  };
  const maxAgents = whole('max-agents', 1, 1_000);
  const diskFloor = whole('disk-floor', 0, 1_000_000_000);
  const healthPort = whole('health-port', 0, 65_535);
  return {
    home: values.home,
    taskQueue: values['task-queue'],
    maxAgents,
    ...(diskFloor === undefined ? {} : { diskFloor: diskFloor * 1024 * 1024 }),
    healthPort,
  };
}

/** JSON lines. Standard error may be a file on a full disk: that costs lines, never the worker. */
const logToStandardError = (): Logger =>
  pino({ base: { pid: process.pid } }, { write: (line: string) => complain(line.trimEnd()) });

/**
 * Runs a worker until it is told to stop. Installs the SDK's runtime, so it is for processes that do nothing else.
 * @returns the exit code.
 */
export async function runWorker(args: string[], logger: Logger = logToStandardError()): Promise<number> {
  try {
    const { taskQueue, ...settings } = readArguments(args);
    const found = await connectionSettings(settings.home === undefined ? {} : { home: settings.home });
    keepAllocatorToOurselves();
    installRuntime(logger);
    const worker = await startWorker({
      ...settings,
      home: settings.home ?? found.home,
      connection: found.options,
      namespace: found.namespace,
      taskQueue: taskQueue ?? found.taskQueue,
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
    const known = error instanceof UsageError || error instanceof ClientError || error instanceof WorkerLockHeldError;
    const message = error instanceof ClientError ? `${error.message}; ${error.next}` : (error as Error).message;
    logger.fatal(known ? {} : { err: error }, message);
    return error instanceof UsageError ? 2 : 1;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // What others say on standard error must not end it either.
  process.stderr.on('error', () => undefined);
  process.exit(await runWorker(process.argv.slice(2)));
}
