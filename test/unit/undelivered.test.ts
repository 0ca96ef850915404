import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import { askAgainIn } from '../../src/domain/index.js';
import { undelivered } from '../../src/workflows/failures.js';

it('tells by its cause whether a workflow is gone, or its run has had as many signals as it may', () => {
  const failed = (type: string): ApplicationFailure => ApplicationFailure.create({ type, message: 'failed' });
  expect(
    ['ExternalWorkflowExecutionNotFound', 'NamespaceNotFound', 'SignalCountLimitExceeded', 'Unspecified'].map((type) =>
      undelivered(failed(type)),
    ),
  ).toEqual(['gone', 'gone', 'full', 'refused']);
  for (const error of [new CancelledFailure('cancelled'), new TypeError('a bug')])
    expect(() => undelivered(error)).toThrow(error);
});

it('asks a full run again soon, then further and further apart, and never all at one moment', () => {
  expect([1, 2, 3, 20].map((tried) => askAgainIn(tried, 1))).toEqual([1_000, 2_000, 4_000, 300_000]);
  expect([1, 20].map((tried) => askAgainIn(tried, 0))).toEqual([500, 150_000]);
});
