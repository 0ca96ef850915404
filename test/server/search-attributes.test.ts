import { randomUUID } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import {
  missingSearchAttributes,
  registerSearchAttributes,
  searchAttributeNames,
} from '../../src/server/search-attributes.js';

let connection: Connection;
beforeAll(async () => {
  connection = await Connection.connect({ address: inject('devServer').address });
});
afterAll(() => connection?.close());

async function namespace(): Promise<string> {
  const name = `ns-${randomUUID().slice(0, 8)}`;
  await connection.workflowService.registerNamespace({
    namespace: name,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  // The server's parts learn of a new namespace within some seconds.
  await vi.waitFor(() => missingSearchAttributes(connection, name), { timeout: 60_000, interval: 200 });
  return name;
}

test('the dev server of this run knows them from its start', async () => {
  expect(await missingSearchAttributes(connection, inject('devServer').namespace)).toEqual([]);
});

test('in a new namespace they are registered, and can be asked for at once; several callers and a second time do no harm', async () => {
  const name = await namespace();
  expect(await missingSearchAttributes(connection, name)).toEqual(searchAttributeNames);
  const [first] = await Promise.all([
    registerSearchAttributes(connection, name),
    registerSearchAttributes(connection, name),
  ]);
  expect(first).toEqual(searchAttributeNames);
  await connection.workflowService.listWorkflowExecutions({
    namespace: name,
    query: `BeadStatus = 'open' AND Attention = 'x'`,
  });
  expect(await registerSearchAttributes(connection, name)).toEqual([]);
});

test('one that exists with another type is told, with the command that removes it', async () => {
  const name = await namespace();
  await connection.operatorService.addSearchAttributes({ namespace: name, searchAttributes: { Rig: 3 } });
  await vi.waitFor(
    async () => {
      await expect(registerSearchAttributes(connection, name)).rejects.toThrow(
        new RegExp(`the namespace ${name} has Rig with another type than Keyword.*use another namespace`),
      );
    },
    { timeout: 60_000, interval: 200 },
  );
});
