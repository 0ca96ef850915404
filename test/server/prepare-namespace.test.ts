import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { expect, inject, onTestFinished, test } from 'vitest';
import { missingSearchAttributes } from '../../src/server/search-attributes.js';
import { scratchFolder } from '../support/scratch.js';

const program = fileURLToPath(new URL('../../dist/server/prepare-namespace.js', import.meta.url));

/** Runs the job as the compose file does: a process that is told everything by its environment. */
function job(env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program],
      { env: { PATH: process.env['PATH'], HOME: scratchFolder('home'), ...env } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      },
    );
  });
}

test('the job creates the namespace and registers the search attributes, and does no harm when it is run again', async () => {
  const { address } = inject('devServer');
  const name = `town-${randomUUID().slice(0, 8)}`;
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: name, HEARTBEAD_RETENTION_DAYS: '7' };
  expect(await job(env)).toEqual({
    code: 0,
    stderr: '',
    stdout:
      `created the namespace ${name}, which keeps closed beads for 7 days\nregistered the search attributes ` +
      'BeadStatus, AgentStatus, Rig, Convoy, Attention\n',
  });
  expect(await job(env)).toEqual({
    code: 0,
    stderr: '',
    stdout: `the namespace ${name} is there\nthe search attributes are there\n`,
  });
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  expect(await missingSearchAttributes(connection, name)).toEqual([]);
  const { config } = await connection.workflowService.describeNamespace({ namespace: name });
  expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(7 * 86_400);
});

test('without a server to talk to, or with a wrong setting, it says so at once', async () => {
  expect(await job({})).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^heartbead: no Temporal server: TEMPORAL_ADDRESS is not set.*set TEMPORAL_ADDRESS\n$/,
    ) as string,
  });
  expect(await job({ HEARTBEAD_RETENTION_DAYS: 'ever' })).toMatchObject({
    code: 1,
    stderr: 'heartbead: HEARTBEAD_RETENTION_DAYS is a whole number of days, at least 1, not "ever"\n',
  });
});
