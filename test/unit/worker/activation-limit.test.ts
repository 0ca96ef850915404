import { readFileSync } from 'node:fs';
import { noopMetricMeter } from '@temporalio/common';
import { DefaultLogger } from '@temporalio/worker';
import { compileWorkerOptions } from '@temporalio/worker/lib/worker-options.js';
import type { WorkerOptions } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { activationLimit } from '../../../src/worker/activation-limit.js';

const compiled = (options: WorkerOptions): number =>
  compileWorkerOptions(options, new DefaultLogger('ERROR'), noopMetricMeter).isolateExecutionTimeoutMs;

it('the SDK takes the limit of an activation, for which it has no type', () => {
  expect(compiled({ taskQueue: 'q' })).toBe(5_000);
  expect(compiled({ taskQueue: 'q', ...activationLimit })).toBe(120_000);
});

it.each(['src/worker/workers.ts', 'src/testing/workflow-worker.ts'])('%s sets it', (file) => {
  expect(readFileSync(file, 'utf8')).toMatch(/Worker\.create\(\{\n\s+(?:\.\.\.common,\n\s+)?\.\.\.activationLimit,/);
});
