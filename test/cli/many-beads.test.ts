import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { BeadClient, connect } from '../../src/client/index.js';
import { beadWorkflowId } from '../../src/contract/index.js';
import type { BeadView } from '../../src/contract/index.js';
import { lookAtTown } from '../../src/operator/town-facts.js';
import { until } from '../support/until.js';
import { Cli, lineOf } from './support/cli.js';
import { Repository } from './support/repository.js';

let cli: Cli;
let repository: Repository;
let connection: Connection;
let client: Client;
const queue = `many-${randomBytes(4).toString('hex')}`;
const id = (name: string): string => `${name}-${queue.slice(5)}`;

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue });
  repository = new Repository();
  await lineOf(cli.start(['worker']), 'stderr', /the worker polls/);
  // A branch that is not there blocks a bead at once.
  for (const name of ['one', 'two', 'three'])
    await cli.json(['sling', name, '--id', id(name), '--command', 'true', ...repository.withoutBase]);
  await blockedAfter(1);
});
afterAll(async () => {
  await connection.close();
  await cli.end();
  repository.remove();
});

/** Asked without a command, which costs half a second of a core. */
const state = (name: string): Promise<BeadView> => new BeadClient({ client }).view(id(name));
const blockedAfter = async (attempts: number): Promise<void> => {
  for (const name of ['one', 'two', 'three'])
    await until(`${name} is blocked after attempt ${attempts}`, async () => {
      const { status, attemptCount } = await state(name);
      return status === 'blocked' && attemptCount === attempts;
    });
};

/** The list of beads is a moment late. */
const listed = (count: number): Promise<void> =>
  expect
    .poll(async () => (await cli.json<{ beads: unknown[] }>(['ls', '--limit', '1000'])).beads.length, {
      timeout: 90_000,
      interval: 300,
    })
    .toBeGreaterThanOrEqual(count);

interface Results {
  results: ({ bead: string; text: string } | { bead: string; error: { code: number; message: string } })[];
}

describe('many beads by one command', () => {
  test('a filter says first which beads it means, and does nothing without a terminal or --yes (2)', async () => {
    await listed(3);
    const { code, stdout, stderr } = await cli.run(['pause', '--cause', 'setup']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const name of ['one', 'two', 'three']) expect(stderr).toContain(id(name));
    expect(stderr).toMatch(/to pause: 3 beads/);
    expect(stderr).toMatch(/nothing was done/);
    expect((await state('one')).paused).toBe(false);
  });

  test('with --yes each of them answers, and what would refuse is left alone', async () => {
    expect((await cli.run(['pause', id('two')])).code).toBe(0);
    const { code, stdout, stderr } = await cli.run(['pause', '--status', 'blocked', '--yes', '--json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as Results).results).toEqual(
      [id('one'), id('three')].map((bead) => ({ bead, text: expect.stringContaining('paused') })),
    );
    expect(stderr).toMatch(/to pause: 2 beads; 1 other would refuse it and is left alone/);
  });

  test('beads that are named are asked without a question; one that refuses keeps no other waiting (4)', async () => {
    expect((await cli.run(['resume', id('three')])).code).toBe(0);
    const { code, stdout } = await cli.run(['resume', id('one'), id('two'), id('three'), '--json']);
    expect(code).toBe(4);
    expect((JSON.parse(stdout) as Results).results).toEqual([
      { bead: id('one'), text: expect.any(String) },
      { bead: id('two'), text: expect.any(String) },
      { bead: id('three'), error: expect.objectContaining({ code: 4, message: 'the bead is not paused' }) },
    ]);
  });

  test('retry --all-blocked tries all of them again', async () => {
    const { results } = await cli.json<Results>(['retry', '--all-blocked', '--yes']);
    expect(results.map(({ bead }) => bead)).toEqual([id('one'), id('three'), id('two')]);
    await blockedAfter(2);
  });

  test('nudge says one thing to several', async () => {
    const { results } = await cli.json<Results>(['nudge', id('one'), id('two'), 'the branch is there now']);
    expect(results.map(({ bead }) => bead)).toEqual([id('one'), id('two')]);
    expect((await state('two')).messages.map(({ text }) => text)).toContain('the branch is there now');
    expect((await state('three')).messages).toEqual([]);
  });

  test('a look at the newest bead alone finds the older ones too that ask for a person', async () => {
    const { address, namespace } = inject('devServer');
    const town = await connect({
      env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue },
      home: repository.path,
    });
    try {
      const look = async (attentive: number): Promise<[string[], boolean, number | undefined]> => {
        const { facts } = await lookAtTown(town, { deadline: 30_000, limit: 1, attentive });
        return [facts.beads.map(({ bead }) => bead), facts.more, facts.left?.beads];
      };
      expect(await look(0)).toEqual([[id('three')], true, 2]);
      await expect.poll(async () => (await look(500))[0].length, { timeout: 90_000 }).toBe(3);
      expect((await look(500)).slice(1)).toEqual([true, 0]);
    } finally {
      await town.close();
    }
  });

  test('a list by host is of those whose newest attempt is there', async () => {
    const host = (await state('one')).attempts.at(-1)?.host ?? '';
    expect(host).not.toBe('');
    const on = async (name: string): Promise<string[]> =>
      (await cli.json<{ beads: { bead: string }[] }>(['ls', '--host', name])).beads.map(({ bead }) => bead).sort();
    expect(await on(host)).toEqual([id('one'), id('three'), id('two')]);
    expect(await on('another-1a2b')).toEqual([]);
    const { stderr } = await cli.run(['ls', '--host', host, '--limit', '2']);
    expect(stderr).toContain('the newest 2; more with --limit');
    expect((await cli.run(['completion', 'hosts'])).stdout).toContain(host);
    expect((await cli.run(['completion', 'agents'])).stdout).toMatch(/^shell$/m);
  });

  test('a list by host has those that answer, and tells of one that does not', async () => {
    const host = (await state('one')).attempts.at(-1)?.host ?? '';
    const lonely = ['sling', 'Lonely', '--id', id('lonely'), '--command', 'true', '--task-queue', `nobody-${queue}`];
    await cli.json([...lonely, '--repo', repository.path]);
    try {
      const list = ['ls', '--host', host, '--json'];
      const told = (): Promise<string> => cli.run(list).then(({ stderr }) => stderr);
      await expect.poll(told, { timeout: 90_000 }).toMatch(/did not answer and may be there too/);
      const { code, stdout } = await cli.run(list);
      const { beads } = JSON.parse(stdout) as { beads: { bead: string }[] };
      expect([code, beads.map(({ bead }) => bead).sort()]).toEqual([0, [id('one'), id('three'), id('two')]]);
    } finally {
      await client.workflow.getHandle(beadWorkflowId(id('lonely'))).terminate();
    }
  });

  test('what cannot be meant is a usage error (2), and a filter that meets no bead is none', async () => {
    for (const args of [
      ['pause'],
      ['pause', id('one'), '--status', 'blocked'],
      ['cancel', '--status', 'closed', '--yes'],
      ['retry', '--cause', 'sunspots', '--yes'],
      ['retry', '--all-blocked', '--now', '--yes'],
      ['retry', id('one'), '--option', 'model=x'],
      ['retry', id('one'), '--agent', 'nosuch'],
      ['nudge', 'only-a-text'],
    ])
      expect([args, (await cli.run(args)).code]).toEqual([args, 2]);
    expect(await cli.json(['cancel', '--rig', 'nosuch', '--yes'])).toEqual({ results: [] });
  });

  test('cancel --wait ends with 0 when the last of them has ended', async () => {
    const { code, stdout } = await cli.run(['cancel', id('one'), id('two'), id('three'), '--wait', '--json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as Results).results.map(({ bead }) => bead)).toEqual([
      id('one'),
      id('two'),
      id('three'),
    ]);
    expect((await state('three')).status).toBe('cancelled');
  });
});

describe('what many beads of a rig have in common', () => {
  test('stops the rig at the second of them, is one problem, and one retry lets all finish', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => id(`of-rig-${name}`));
    const rig = id('rig');
    const cure = join(cli.home, 'cure');
    const work = 'echo x >f; git add f; git commit -qm f; heartbead agent done';
    await cli.json(
      ['rig', 'add', rig, '--repo', repository.path, '--command', work, '--max-agents', '1'].concat([
        '--strategy',
        'branch-only',
        '--setup',
        `test -e '${cure}'`,
      ]),
    );
    for (const name of names) await cli.json(['sling', name, '--id', name, '--rig', rig]);
    const views = (): Promise<BeadView[]> => Promise.all(names.map((bead) => new BeadClient({ client }).view(bead)));
    await until(
      'two beads are blocked',
      async () => (await views()).filter(({ status }) => status === 'blocked').length === 2,
    );
    const { problems } = await cli.json<{ problems: { kind: string; about: string; why: string; fix: string }[] }>([
      'problems',
    ]);
    const mine = problems.filter(({ about }) => about === rig || names.includes(about));
    expect(mine).toMatchObject([{ kind: 'shared-cause', about: rig, fix: `heartbead retry --rig ${rig}` }]);
    expect(mine[0]?.why).toMatch(/test -e.*5 beads wait for it/s);
    expect((await cli.run(['explain', names[4] ?? ''])).stdout).toMatch(/starts none: .*test -e/);
    expect((await views()).reduce((sum, { attemptCount }) => sum + attemptCount, 0)).toBe(2);
    writeFileSync(cure, '');
    expect((await cli.run(['retry', '--rig', rig, '--yes'])).code).toBe(0);
    await until('all are closed', async () => (await views()).every(({ status }) => status === 'closed'));
  });
});

describe('what there is not', () => {
  test('history of a bead that there is not is 3, as with the other verbs', async () => {
    for (const verb of ['show', 'explain', 'history']) {
      const { code, stderr } = await cli.run([verb, 'nosuch']);
      expect([verb, code, stderr]).toEqual([verb, 3, expect.stringContaining('there is no bead nosuch')]);
    }
  });

  test('a mistake in the arguments of a verb points to its own help', async () => {
    expect((await cli.run(['show'])).stderr).toContain('see `heartbead show --help`');
    expect((await cli.run(['rig', 'add'])).stderr).toContain('see `heartbead rig add --help`');
  });

  test('a convoy whose bead names an agent that there is not is refused (2), and nothing is created', async () => {
    const file = JSON.stringify({
      convoy: id('c'),
      title: 'A convoy',
      rig: 'nosuch',
      beads: [{ id: 'a', title: 'A', agent: { adapter: 'codx' } }],
    });
    const { code, stderr } = await cli.run(['convoy', 'create', '-'], { stdin: file });
    expect([code, stderr]).toEqual([2, expect.stringContaining('bead a: there is no agent "codx"')]);
  });
});

describe('a worker that cannot start', () => {
  test('ends with 1: no server', async () => {
    const { code, stderr } = await cli.run(['worker', '--home', `${cli.home}/other`], {
      env: { TEMPORAL_ADDRESS: '127.0.0.1:1' },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/127\.0\.0\.1:1/);
  });

  test('ends with 1: another one runs in the same state directory', async () => {
    const { code } = await cli.run(['worker']);
    expect(code).toBe(1);
  });

  test('ends with 2: a flag that cannot be read', async () => {
    expect((await cli.run(['worker', '--max-agents', 'many'])).code).toBe(2);
  });
});
