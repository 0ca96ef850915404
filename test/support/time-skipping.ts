import { inject } from 'vitest';
import { startTimeSkipping } from '../../src/server/time-skipping.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';

/**
 * A time-skipping server for one test file, with search attributes registered; end it with `teardown()` in `afterAll`.
 */
export function createTimeSkipping(): Promise<TestWorkflowEnvironment> {
  return startTimeSkipping({ program: inject('testServer') });
}

/** For `Worker.create`: the workflows as they ship, bundled once per run. */
export function workflowBundle(): { codePath: string } {
  return { codePath: inject('workflowBundle') };
}
