import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { RuntimeOptions } from '@temporalio/worker';

/**
 * Installs the SDK's runtime so that it tells only of errors: workers log every change of their state, and the Java
 * server makes Core warn once per worker. Once per process, before anything else of the SDK.
 * @param more further options of the runtime. @param level what is worth a line.
 */
export function quietRuntime(
  more: Pick<RuntimeOptions, 'shutdownSignals'> = {},
  level: 'ERROR' | 'WARN' | 'INFO' | 'DEBUG' = 'ERROR',
): void {
  Runtime.install({
    ...more,
    logger: new DefaultLogger(level),
    telemetryOptions: { logging: { filter: { core: level, other: level }, forward: {} } },
  });
}
