import type { ActivateInput } from '@temporalio/workflow';
import { expect, it } from 'vitest';
import { interceptors } from '../../src/workflows/interceptors/refuse-stale-query.js';

type Job = 'initializeWorkflow' | 'signalWorkflow' | 'resolveActivity' | 'queryWorkflow' | 'fireTimer';

/** A workflow that is activated again and again. @returns says whether the activation was let through. */
function workflow(): (nanos: number, events: number, job: Job, isReplaying?: boolean) => boolean {
  const activate = interceptors().internals?.[0]?.activate;
  return (nanos, events, job, isReplaying = false) => {
    let passed = false;
    const input = {
      activation: { timestamp: { seconds: 5, nanos }, historyLength: events, isReplaying, jobs: [{ [job]: {} }] },
      batchIndex: 0,
    } as unknown as ActivateInput;
    try {
      activate?.(input, () => (passed = true));
    } catch (error) {
      expect(String(error)).toMatch(/a query has brought events/);
    }
    return passed;
  };
}

it('what a late query brings with it is refused: its clock stands still though the history has grown', () => {
  const activated = workflow();
  expect(activated(1, 3, 'initializeWorkflow')).toBe(true);
  expect(activated(1, 3, 'queryWorkflow', true)).toBe(true);
  expect(activated(1, 6, 'signalWorkflow')).toBe(false);
});

it('workflow tasks, what follows within one, queries, and replays go on', () => {
  const activated = workflow();
  expect(activated(1, 3, 'initializeWorkflow')).toBe(true);
  expect(activated(2, 8, 'signalWorkflow')).toBe(true);
  // A cancellation that is answered at once: the same task goes on.
  expect(activated(2, 8, 'resolveActivity')).toBe(true);
  expect(activated(2, 11, 'queryWorkflow', true)).toBe(true);
  expect(activated(3, 14, 'fireTimer')).toBe(true);
  const replayed = workflow();
  expect(replayed(1, 3, 'initializeWorkflow', true)).toBe(true);
  expect(replayed(1, 6, 'signalWorkflow', true)).toBe(true);
});

it('one workflow knows nothing of another', () => {
  const [one, other] = [workflow(), workflow()];
  expect(one(1, 3, 'initializeWorkflow')).toBe(true);
  expect(other(1, 6, 'initializeWorkflow')).toBe(true);
});
