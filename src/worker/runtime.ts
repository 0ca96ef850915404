import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Logger as SdkLogger, LogLevel, LogMetadata, MetricsExporterConfig } from '@temporalio/worker';
import type { Logger } from 'pino';
import { beadOfWorkflowId } from '../contract/index.js';

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
    // What a workflow says is found by its bead like what an activity says.
    const bead = typeof rest['workflowId'] === 'string' ? beadOfWorkflowId(rest['workflowId']) : undefined;
    logger[levels[level]](
      {
        bead,
        ...printable(rest),
        err: error as Error | undefined,
      },
      message,
    );
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
 * @param metricsPort where Core serves what it counts, and what workflows and activities count through it, on the
 * loopback interface: `metrics-server.ts` reads it there. None when absent.
 */
export function installRuntime(logger: Logger, metricsPort?: number): void {
  Runtime.install({
    logger: sdkLogger(logger),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
      metrics: metricsPort === undefined ? undefined : coreMetrics(metricsPort),
    },
    shutdownSignals: [],
  });
}

/** From a start on a warm mirror to a clone of an hour; from a merge without checks to a day. */
const longSeconds = [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];
const dollars = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 100];

const coreMetrics = (port: number): MetricsExporterConfig => ({
  prometheus: {
    bindAddress: `127.0.0.1:${port}`,
    countersTotalSuffix: true,
    unitSuffix: true,
    useSecondsForDurations: true,
    histogramBucketOverrides: {
      heartbead_attempt_queue: longSeconds,
      heartbead_attempt_first_heartbeat: longSeconds,
      heartbead_bead_duration: longSeconds,
      heartbead_merge_duration: longSeconds,
      heartbead_check_duration: longSeconds,
      heartbead_attempt_cost_usd: dollars,
    },
  },
});
