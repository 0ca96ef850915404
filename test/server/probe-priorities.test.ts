import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { probePriorities } from '../../src/server/probe-priorities.js';

let connection: Connection;
beforeAll(async () => {
  connection = await Connection.connect({ address: inject('devServer').address });
});
afterAll(() => connection?.close());

test('the embedded server honours priorities and fairness keys, and the trial leaves nothing behind', async () => {
  const { namespace } = inject('devServer');
  expect(await probePriorities(connection, namespace)).toMatchObject({
    honoured: true,
    priorities: 'exact',
    fairness: true,
  });
  await vi.waitFor(
    async () => {
      const { count } = await connection.workflowService.countWorkflowExecutions({
        namespace,
        query: `WorkflowType = 'heartbead-probe'`,
      });
      expect(Number(count)).toBe(0);
    },
    { timeout: 60_000, interval: 200 },
  );
});
