import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processTable } from '../../src/runner/processes/process.js';
import { registerSearchAttributes } from '../../src/server/search-attributes.js';
import { createTimeSkipping, workflowBundle } from '../support/time-skipping.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await createTimeSkipping();
});
afterAll(() => env?.teardown());

test('a virtual hour passes at once', async () => {
  const before = await env.currentTimeMs();
  await env.sleep('1 hour');
  expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(3_600_000);
});

test('the workflows are bundled', () => {
  expect(existsSync(workflowBundle().codePath)).toBe(true);
});

test("a call that is to be tried again when its server goes ends with it: the channel is closed by then, and the exception would be nobody's", async () => {
  const children = (): number[] =>
    processTable()
      .filter(({ ppid }) => ppid === process.pid)
      .map(({ pid }) => pid);
  const before = new Set(children());
  const other = await createTimeSkipping();
  const strays: Error[] = [];
  const stray = (error: Error): void => void strays.push(error);
  process.prependListener('uncaughtException', stray);
  try {
    for (const pid of children().filter((child) => !before.has(child))) process.kill(pid, 'SIGKILL');
    const calls = Array.from({ length: 20 }, (_, n) =>
      sleep(n * 20).then(() => other.connection.workflowService.getSystemInfo({})),
    );
    const refused = Promise.allSettled(calls);
    await sleep(400);
    await other.teardown();
    expect((await refused).filter(({ status }) => status === 'fulfilled')).toEqual([]);
    await sleep(500);
    expect(strays).toEqual([]);
  } finally {
    process.off('uncaughtException', stray);
  }
});

// Last: a workflow task that nobody takes stops virtual time.
test('a workflow may be started with the search attributes, and they may be registered again', async () => {
  await registerSearchAttributes(env.connection, 'default');
  await env.client.workflow.start('nobody', {
    taskQueue: 'nobody',
    workflowId: 'with-attributes',
    searchAttributes: { BeadStatus: ['open'], AgentStatus: ['none'], Rig: ['r'], Convoy: ['c'], Attention: ['a'] },
  });
  await expect(
    env.client.workflow.start('nobody', {
      taskQueue: 'nobody',
      workflowId: 'with-others',
      searchAttributes: { Unheard: ['of'] },
    }),
  ).rejects.toThrow();
  await env.client.workflow.getHandle('with-attributes').terminate();
});
