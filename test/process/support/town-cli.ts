import { inject, onTestFinished } from 'vitest';
import { Cli } from '../../cli/support/cli.js';
import type { Town } from './town.js';

/** @returns a command line that knows this town only; it ends with the test. */
export function cliOf(town: Town): Cli {
  const cli = new Cli({
    TEMPORAL_ADDRESS: inject('devServer').address,
    TEMPORAL_NAMESPACE: town.namespace,
    HEARTBEAD_TASK_QUEUE: town.queue,
  });
  onTestFinished(() => cli.end());
  return cli;
}
