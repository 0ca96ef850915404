import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import type { MergeInput } from '../../src/contract/index.js';
import type { MergeStep } from '../../src/git/merge/index.js';
import { processAlive } from '../../src/runner/index.js';
import {
  bead,
  check,
  git,
  inputOf,
  leftovers,
  originSha,
  othersCommit,
  recordsOf,
  until,
  useLab,
  written,
} from '../refinery/support/lab.js';
import type { mergeOne } from './support/merge-workflow.js';

const lab = useLab();
const { address, namespace } = inject('devServer');
const town = `merge-${randomUUID()}`;
let connection: Connection;
let native: NativeConnection;
let workflows: { worker: Worker; running: Promise<void> };

beforeAll(async () => {
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection: native,
    namespace,
    taskQueue: town,
    workflowsPath: fileURLToPath(new URL('support/merge-workflow.ts', import.meta.url)),
  });
  workflows = { worker, running: worker.run() };
});
afterAll(async () => {
  workflows.worker.shutdown();
  await workflows.running;
  await native.close();
  await connection.close();
});

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await end(child, 'SIGKILL');
});

async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

/** A worker of the refinery. `reached` resolves when it holds at the step. */
function startWorker(stopAt?: MergeStep): { child: ChildProcess; reached: Promise<void> } {
  const program = fileURLToPath(new URL('support/merge-worker.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', program, JSON.stringify({ address, namespace, town, home: lab.home, stopAt })],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  children.push(child);
  let said = '';
  const reached = new Promise<void>((resolve) =>
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('reached\n')) resolve();
    }),
  );
  return { child, reached };
}

const start = (input: MergeInput): Promise<WorkflowHandle<typeof mergeOne>> =>
  new Client({ connection, namespace }).workflow.start<typeof mergeOne>('mergeOne', {
    args: [input],
    taskQueue: town,
    workflowId: `merge-${randomUUID()}`,
  });

const points: MergeStep[] = ['merged', 'pushed', 'removed'];
test.each(points)(
  'a worker that is killed with SIGKILL at "%s": the next one ends it, and the remote has it exactly once',
  async (step) => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await othersCommit(lab, { 'other.txt': 'x\n' });
    const { child, reached } = startWorker(step);
    const handle = await start(inputOf(lab, request, { strategy: 'squash', checks: [check('test -f lamp.txt')] }));
    await reached;
    await end(child, 'SIGKILL');
    const killedAt = await originSha(lab, 'refs/heads/main');
    expect(await recordsOf(lab, request)).toHaveLength(step === 'merged' ? 0 : 1);

    startWorker();
    const outcome = await handle.result();
    expect(outcome).toMatchObject({ outcome: 'merged', sha: await originSha(lab, 'refs/heads/main') });
    if (step !== 'merged') expect(outcome).toMatchObject({ sha: killedAt });
    expect(await recordsOf(lab, request)).toHaveLength(1);
    expect(await git(lab.origin, 'rev-list', '--count', 'main')).toBe('3');
    expect(await leftovers(lab.home)).toEqual([]);
  },
);

/** One process of it in a session of its own. */
const hanging = (): string =>
  `setsid sh -c 'echo $$ > ${lab.dir}/pid; exec sleep 600' & while [ ! -s ${lab.dir}/pid ]; do sleep 0.05; ` +
  `done; touch ${lab.dir}/running; [ -e ${lab.dir}/pass ] && exit 0; wait`;
const pidOf = async (): Promise<number> => Number(await readFile(join(lab.dir, 'pid'), 'utf8'));

test('a worker that is shut down in the middle of a check leaves nothing running and no tree; the next one begins the merge again', async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  const { child } = startWorker();
  const handle = await start(inputOf(lab, request, { checks: [check(hanging())] }));
  await until(() => written(join(lab.dir, 'running')));
  const pid = await pidOf();
  await end(child, 'SIGTERM');
  expect(processAlive(pid)).toBe(false);
  expect(await leftovers(lab.home)).toEqual([]);

  await git(lab.dir, 'init', '--quiet', '--bare', join(lab.dir, 'pass'));
  startWorker();
  expect(await handle.result()).toMatchObject({ outcome: 'merged' });
  expect(await recordsOf(lab, request)).toHaveLength(1);
});

test('a cancel of the workflow in the middle of a check ends it, and what waits in the Web UI is readable', async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  startWorker();
  const handle = await start(inputOf(lab, request, { checks: [check(hanging())] }));
  await until(() => written(join(lab.dir, 'running')));
  await until(async () => {
    const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
    const [payload] = pending?.heartbeatDetails?.payloads ?? [];
    return /"item":"lamp","text":"check test(?: begins|: running \d+ s)","log":".*lamp\.log"/.test(
      Buffer.from(payload?.data ?? []).toString(),
    );
  });
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
  expect(processAlive(await pidOf())).toBe(false);
  expect(await recordsOf(lab, request)).toEqual([]);
  expect(await leftovers(lab.home)).toEqual([]);
});

test('an origin that is gone for a while keeps the merge waiting, with the reason in sight; then it is merged', async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await rename(lab.origin, `${lab.origin}.away`);
  startWorker();
  const handle = await start(inputOf(lab, request));
  await until(async () => {
    const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
    return (
      (pending?.attempt ?? 0) >= 3 && /nothing was found at .*origin\.git/.test(pending?.lastFailure?.message ?? '')
    );
  });
  await rename(`${lab.origin}.away`, lab.origin);
  expect(await handle.result()).toMatchObject({ outcome: 'merged' });
  expect(await recordsOf(lab, request)).toHaveLength(1);
});
