import { Connection } from '@temporalio/client';
import { expect, it } from 'vitest';
import { LivingConnection } from '../../../src/client/living-connection.js';

it('a replaced connection serves whoever has it; a call in the scope of a deadline ends on the way that it began with', async () => {
  const [first, second] = ['127.0.0.1:1', '127.0.0.1:2'].map((address) => Connection.lazy({ address })) as [
    Connection,
    Connection,
  ];
  const troubles: unknown[] = [];
  const living = new LivingConnection(first, (error) => troubles.push(error));
  const { connection } = living;
  const way = (): string => connection.options.address;
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const within = connection.withDeadline(Date.now() + 60_000, async () => {
    await gate;
    return [way(), connection.workflowService === first.workflowService];
  });
  expect(way()).toBe('127.0.0.1:1');
  living.use(second);
  expect([way(), connection.workflowService === second.workflowService]).toEqual(['127.0.0.1:2', true]);
  open();
  expect(await within).toEqual(['127.0.0.1:1', true]);
  expect(connection).toBeInstanceOf(Connection);

  await living.close();
  for (const closed of [first, second])
    await expect(closed.workflowService.getSystemInfo({})).rejects.toThrow(/shut down|closed/i);
  expect(troubles).toEqual([]);
});
