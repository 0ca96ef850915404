import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Logger as SdkLogger, LogLevel, LogMetadata } from '@temporalio/worker';
import type { Logger } from 'pino';

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<
  LogLevel,
  string
>;

/**
 * @returns a logger for the SDK that writes into ours: one stream, one format, for the worker, its activities, its
 * workflows and Core.
 */
export function sdkLogger(logger: Logger): SdkLogger {
  const log = (level: LogLevel, message: string, meta?: LogMetadata): void => {
    // The SDK names its error `error`; pino unfolds one that is named `err`.
    const { error, ...rest } = meta ?? {};
    logger[levels[level]]({ ...printable(rest), ...(error === undefined ? {} : { err: error as Error }) }, message);
  };
  return {
    log,
    trace: (message, meta) => log('TRACE', message, meta),
    debug: (message, meta) => log('DEBUG', message, meta),
    info: (message, meta) => log('INFO', message, meta),
    warn: (message, meta) => log('WARN', message, meta),
    error: (message, meta) => log('ERROR', message, meta),
  };
}

/** Big integers (Core's timestamps) are no JSON. */
const printable = (meta: LogMetadata): LogMetadata =>
  Object.fromEntries(
    Object.entries(meta).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : (value as unknown)]),
  );

/**
 * Installs the SDK's runtime; once per process, before anything else of it. Signals stay with us: a stop of the worker
 * must leave its agents alive.
 */
export function installRuntime(logger: Logger): void {
  Runtime.install({
    logger: sdkLogger(logger),
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) } },
    shutdownSignals: [],
  });
}
