import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Problem } from '../../src/domain/telling/problems.js';
import { Cli, lineOf } from './support/cli.js';
import { Repository, goodAgent } from './support/repository.js';

let cli: Cli;
let repository: Repository;
const queue = `ops-${randomBytes(4).toString('hex')}`;
const id = (name: string): string => `${name}-${queue.slice(4)}`;
const sling = (name: string, ...more: string[]) =>
  cli.run(['sling', `Title of ${name}`, '--id', id(name), '--repo', repository.path, ...more]);
const problems = async (): Promise<Problem[]> => (await cli.json<{ problems: Problem[] }>(['problems'])).problems;

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue });
  repository = new Repository();
  // Nobody works yet: the first test looks at that.
  await sling('early', '--command', goodAgent);
});
afterAll(async () => {
  await cli.end();
  repository.remove();
});

test('without a worker, that is the one problem, and explain and top say it too', async () => {
  await expect
    .poll(problems, { timeout: 90_000, interval: 500 })
    .toEqual([expect.objectContaining({ kind: 'no-worker', about: queue, fix: 'heartbead up' })]);
  expect((await cli.run(['--timeout', '3s', 'explain', id('early')])).stdout).toContain(
    `running: not known, no worker polls ${queue}`,
  );
  expect((await cli.run(['top'])).stdout).toContain(`no worker polls ${queue}`);
});

describe('with a worker', () => {
  const told = (): string => (existsSync(join(cli.home, 'told')) ? readFileSync(join(cli.home, 'told'), 'utf8') : '');
  beforeAll(async () => {
    writeFileSync(
      join(cli.home, 'notifications.json'),
      JSON.stringify({
        hooks: [
          {
            name: 'file',
            on: ['blocked', 'closed', 'cancelled'],
            command: `cat >> '${join(cli.home, 'told')}'; echo >> '${join(cli.home, 'told')}'`,
          },
        ],
      }),
    );
    await lineOf(cli.start(['worker', '--max-agents', '1']), 'stderr', /the worker polls/);
  });

  test('a bead that went well has a story from the sling to its end, and needs nobody', async () => {
    const story = async (): Promise<string[]> =>
      (await cli.json<{ story: { text: string }[] }>(['history', id('early')])).story.map(({ text }) => text);
    await expect
      .poll(async () => (await story()).at(-1), { timeout: 60_000, interval: 500 })
      .toMatch(/^closed: verified on the remote/);
    const told = (await story()).join('\n');
    for (const part of [
      /^slung: "Title of early"/m,
      /^attempt 1 \(1-\w+\) was put into the queue/m,
      /^host \S+ took attempt/m,
      /^the agent of attempt 1-\w+ was started on host/m,
      /^attempt 1-\w+ on host \S+ ended done/m,
      /^the work was found: .*1 ahead$/m,
    ])
      expect(told).toMatch(part);
    expect((await cli.run(['completion', 'beads'])).stdout.split('\n')).toContain(id('early'));
    expect(await cli.run(['completion', 'beads'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } })).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect((await cli.run(['history', id('early')])).stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}slung/);
    await expect.poll(problems, { timeout: 90_000, interval: 500 }).toEqual([]);
    expect((await cli.run(['problems'])).stdout).toBe('nothing needs a person\n');
  });

  test('a blocked bead is a problem with its reason and the command that helps; explain says what is to be done', async () => {
    expect((await sling('blocked', '--command', goodAgent, ...repository.withoutBase, '--wait')).code).toBe(1);
    const found = await problems();
    expect(found).toEqual([
      expect.objectContaining({
        kind: 'bead-blocked',
        severity: 'stuck',
        about: id('blocked'),
        why: expect.stringContaining('nosuch'),
        fix: `heartbead retry ${id('blocked')}`,
      }),
    ]);
    const { code, stdout } = await cli.run(['problems']);
    expect(code).toBe(0);
    expect(stdout).toContain(`run  heartbead retry ${id('blocked')}`);
    expect((await cli.run(['explain', id('blocked')])).stdout).toMatch(
      /^running: no, it is blocked and waits for a person: /m,
    );
  });

  test('one that waits for a place on a full host is told so; the one that runs is told by its host', async () => {
    await sling('runs', '--command', 'echo begun; exec sleep 600');
    const explain = async (name: string): Promise<string> => (await cli.run(['explain', id(name)])).stdout;
    await expect
      .poll(() => explain('runs'), { timeout: 60_000, interval: 500 })
      .toMatch(/^running: yes, attempt 1 on host \S+$/m);
    await sling('waits', '--command', goodAgent);
    await expect
      .poll(() => explain('waits'), { timeout: 90_000, interval: 500 })
      .toMatch(/^running: no, no host has taken it for/m);
  });

  test('top on a pipe is a plain page of beads, problems, hosts and queues', async () => {
    await expect
      .poll(async () => (await cli.run(['top'])).stdout, { timeout: 90_000, interval: 500 })
      .toContain(id('waits'));
    const { code, stdout } = await cli.run(['top'], { env: { FORCE_COLOR: '' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/3 open, 1 agent, 1 host/);
    expect(stdout).toMatch(new RegExp(`^ *${id('runs')} +in_progress +working`, 'm'));
    for (const title of ['BEADS', 'PROBLEMS', 'HOSTS', 'QUEUE']) expect(stdout).toContain(`\n${title}\n`);
    expect(stdout).not.toMatch(/\u001b/);
  });

  test('a paused bead is known, not stuck', async () => {
    await cli.json(['pause', id('runs')]);
    expect((await problems()).find(({ about }) => about === id('runs'))).toMatchObject({
      kind: 'paused',
      severity: 'know',
      fix: `heartbead resume ${id('runs')}`,
    });
    expect((await cli.run(['explain', id('runs')])).stdout).toContain(`heartbead resume ${id('runs')} lets it go on`);
    expect((await cli.run(['cancel', id('runs'), '--wait'])).code).toBe(0);
  });

  test('the hook of this host is told each event once: closed, blocked with the command that helps, cancelled', async () => {
    const events = (): object[] =>
      told()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as object);
    await expect.poll(() => events().length, { timeout: 60_000, interval: 500 }).toBe(4);
    expect(events()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          event: 'closed',
          about: id('early'),
          title: 'Title of early',
          taskQueue: queue,
          branch: expect.stringContaining('heartbead/'),
        }),
        expect.objectContaining({ event: 'blocked', about: id('blocked'), fix: `heartbead retry ${id('blocked')}` }),
        expect.objectContaining({ event: 'cancelled', about: id('runs') }),
        expect.objectContaining({ event: 'closed', about: id('waits') }),
      ]),
    );
    expect((await cli.run(['notify', 'test'])).stdout).toBe('file: told\n');
    expect(await cli.run(['notify', 'test', 'nope'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/names no hook nope\n {2}next: its hooks: file\n/),
    });
    expect(told()).toContain('this is a test');
  });

  test('costs counts every bead of the town, ended ones too', async () => {
    const { beads, total } = await cli.json<{ beads: { bead: string }[]; total: { attempts: number } }>(['costs']);
    expect(beads.map(({ bead }) => bead)).toEqual(expect.arrayContaining([id('early'), id('blocked')]));
    expect(total.attempts).toBeGreaterThanOrEqual(2);
  });
});

test('import prints a convoy that create takes; a cycle is refused, and nothing is started', async () => {
  const folder = join(cli.home, 'app', '.beads');
  mkdirSync(folder, { recursive: true });
  const write = (name: string, ...issues: object[]): string => {
    writeFileSync(join(folder, name), issues.map((issue) => JSON.stringify(issue)).join('\n'));
    return join(folder, name);
  };
  const file = write(
    'issues.jsonl',
    { id: 'bd-1', title: 'First', status: 'open' },
    {
      id: 'bd-2',
      title: 'Second',
      status: 'open',
      dependencies: [{ issue_id: 'bd-2', depends_on_id: 'bd-1', type: 'blocks' }],
    },
    { id: 'bd-3', title: 'Done', status: 'closed' },
  );
  const { code, stdout, stderr } = await cli.run(['import', file, '--rig', 'app']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^convoy: app-\d\d-\d\d\ntitle: Issues of app\nrig: app\n/);
  expect(stdout).toContain('id: bd-2');
  expect(stderr).toContain('1 closed, skipped: bd-3');
  const cycle = write(
    'cycle.jsonl',
    { id: 'a', title: 'A', dependencies: [{ issue_id: 'a', depends_on_id: 'b', type: 'blocks' }] },
    { id: 'b', title: 'B', dependencies: [{ issue_id: 'b', depends_on_id: 'a', type: 'blocks' }] },
  );
  const refused = await cli.run(['import', cycle, '--rig', 'app', '--start']);
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('these beads wait for each other: a needs b needs a'),
  });
  expect((await cli.run(['import', file])).stderr).toContain('which rig do they belong to?');
});
