import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { processAlive } from '../../src/runner/index.js';
import { until } from '../support/until.js';
import { processesOf } from './support/processes.js';
import { openLine } from './support/tcp-proxy.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const works = (attempt: Attempt): Promise<unknown> =>
  until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
/** The runner may write a file there while it is being emptied: then once more. */
const deleteFolder = ({ dir }: Attempt): Promise<void> =>
  rm(dir.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
const agent = { adapter: 'shell', command: 'echo works; sleep 600' };

test('a runner whose folder is deleted ends its agent, tells the bead, and ends', async () => {
  const attempt = await town.attempt({ agent });
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await works(attempt);
  const [runner, record] = [await attempt.runnerPid(), await attempt.dir.readRunner()];
  await deleteFolder(attempt);
  expect((await attempt.ended()).result).toMatchObject({
    outcome: 'lost',
    reason: 'the folder of the attempt was deleted',
  });
  expect(processesOf(attempt)).toEqual([]);
  await until('the end of the runner', () => !processAlive(runner, record?.startTime ?? ''));
});

test('also while no server answers, and its agent is frozen: it does not wait for an adoption that cannot come', async () => {
  const line = await openLine(inject('devServer').address);
  const attempt = await town.attempt({
    agent,
    address: line.address,
    clocks: { leaseFor: 3_000, heartbeatTimeout: 120_000 },
  });
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await works(attempt);
  const [runner, record] = [await attempt.runnerPid(), await attempt.dir.readRunner()];
  line.cut();
  await until('a frozen agent', async () => (await attempt.status()).frozenBy.includes('lease'));
  await deleteFolder(attempt);
  await until('the end of the runner', () => !processAlive(runner, record?.startTime ?? ''));
  expect(processesOf(attempt)).toEqual([]);
});
