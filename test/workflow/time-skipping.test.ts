import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
  expect(await env.currentTimeMs() - before).toBeGreaterThanOrEqual(3_600_000);
});

test('the workflows are bundled', () => {
  expect(existsSync(workflowBundle().codePath)).toBe(true);
});

// Last: a workflow task that nobody takes stops virtual time.
test('a workflow may be started with the search attributes, and they may be registered again', async () => {
  await registerSearchAttributes(env.connection, 'default');
  await env.client.workflow.start('nobody', { taskQueue: 'nobody', workflowId: 'with-attributes', searchAttributes: { BeadStatus: ['open'], AgentStatus: ['none'], Rig: ['r'], Convoy: ['c'], Attention: ['a'] } });
  await expect(env.client.workflow.start('nobody', { taskQueue: 'nobody', workflowId: 'with-others', searchAttributes: { Unheard: ['of'] } })).rejects.toThrow();
  await env.client.workflow.getHandle('with-attributes').terminate();
});
