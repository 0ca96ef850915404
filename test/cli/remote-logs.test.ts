import { Client, Connection } from '@temporalio/client';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { AttemptReader, BeadClient } from '../../src/client/index.js';
import { pieceBytes } from '../../src/contract/index.js';
import type { BeadView } from '../../src/contract/index.js';
import { until } from '../support/until.js';
import { Cli, finished, lineOf } from './support/cli.js';
import { Repository } from './support/repository.js';

/** A host with a worker, and a machine that shares nothing with it but the server. */
let host: Cli;
let far: Cli;
let repository: Repository;
let connection: Connection;
let client: Client;
const queue = `far-${randomBytes(4).toString('hex')}`;
const bead = `talks-${queue.slice(4)}`;
const lines = 12_000;
/** The server deletes ended workflows by and by. */
const deletedWithin = 240_000;

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue };
  host = new Cli(env);
  far = new Cli(env);
  repository = new Repository();
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
});
afterAll(async () => {
  await host.end();
  await far.end();
  await connection.close();
  repository.remove();
});

const view = (): Promise<BeadView> => new BeadClient({ client }).view(bead, 5_000);
const questions = async (): Promise<number> =>
  (await client.workflow.count(`WorkflowType = 'hostQuestion' AND TaskQueue = '${queue}'`)).count;

test('a log of another host is read in pieces, goes on where it broke off when the worker there is killed, and stays in no history', async () => {
  const go = join(repository.path, '.git/go');
  const first = host.start(['worker']);
  await lineOf(first, 'stderr', /the worker polls/);
  const command = [
    `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "line $i of the first part, with some words to fill it"; done`,
    `echo 'the first part is out'; until [ -e '${go}' ]; do sleep 0.1; done; echo 'the last line'`,
    `echo more > more.txt; git add more.txt; git -c user.name=A -c user.email=a@localhost commit -qm more`,
    `echo changed >> more.txt; heartbead agent escalate 'look at it'`,
  ].join('; ');
  await far.json(['sling', 'Talks', '--id', bead, '--repo', repository.path, '--command', command]);
  await until('the agent works', async () => (await view()).agent === 'working');
  const follow = far.start(['logs', bead, '-f']);
  const followed = finished(follow);
  await lineOf(follow, 'stdout', /^the first part is out$/);
  first.kill('SIGKILL');
  await lineOf(follow, 'stderr', /no worker answered|does not answer/);
  writeFileSync(go, '');
  await lineOf(host.start(['worker']), 'stderr', /the worker polls/);
  const { code, stdout } = await followed;
  expect(code).toBe(0);
  const printed = stdout.trimEnd().split('\n');
  expect(printed.filter((line) => line.startsWith('line '))).toEqual(
    Array.from({ length: lines }, (_, i) => `line ${i + 1} of the first part, with some words to fill it`),
  );
  expect(printed).toContain('the last line');
  await until('every question is gone', async () => (await questions()) === 0, deletedWithin);

  const { attempts } = await view();
  const { id: attempt, host: where = '' } = attempts.at(-1) ?? { id: '' };
  const reader = new AttemptReader({ client, taskQueue: queue }, { bead, attempt, host: where, part: 'agent-log' });
  const sizes: number[] = [];
  for (let more = true; more;) {
    const piece = await reader.next();
    sizes.push(piece.bytes.length);
    more = piece.more;
    expect(piece).toMatchObject({ ended: true, restarted: false });
  }
  expect(sizes.length).toBeGreaterThan(3);
  expect(Math.max(...sizes)).toBe(pieceBytes);
  // Whoever wants the end alone gets as much as a piece holds, in one answer.
  const end = await new AttemptReader(
    { client, taskQueue: queue },
    { bead, attempt, host: where, part: 'agent-log' },
    true,
  ).next();
  expect(end).toMatchObject({ skipped: true, more: false });
  expect(end.bytes.length).toBe(pieceBytes);
  expect(end.bytes.toString()).toMatch(/\nthe last line\n/);
  const diff = await new AttemptReader(
    { client, taskQueue: queue },
    { bead, attempt, host: where, part: 'diff' },
  ).next();
  expect(diff.bytes.toString()).toMatch(/^\+more\n\+changed$/m);
  // The host holds a question back for 20 s, and its answer is waited for twice as long.
}, 600_000);

test('a host that is away, and an attempt that it does not have, are told', async () => {
  const { attempts } = await view();
  const { id: attempt, host: where = '' } = attempts.at(-1) ?? { id: '' };
  const town = { client, taskQueue: queue };
  await expect(
    new AttemptReader(town, { bead, attempt, host: 'nowhere-000000', part: 'agent-log' }).next(),
  ).rejects.toThrow(/host nowhere-000000 does not answer/);
  await expect(
    new AttemptReader(town, { bead, attempt: '9-abcdef01', host: where, part: 'agent-log' }).next(),
  ).rejects.toThrow(/has nothing of attempt 9-abcdef01/);
}, 600_000);
