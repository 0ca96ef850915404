import { DefaultLogger, Runtime } from '@temporalio/worker';

/**
 * Workers log every state change, and the Java server makes Core warn once per worker; a failing test says what failed without them.
 * `TEST_LOG=INFO` (or `DEBUG`) brings them back.
 */
const level = (process.env['TEST_LOG'] ?? 'ERROR') as 'ERROR';
Runtime.install({
  logger: new DefaultLogger(level),
  telemetryOptions: { logging: { filter: { core: level, other: level }, forward: {} } },
  // Files start and end workers by themselves; signals are for the test runner.
  shutdownSignals: [],
});
