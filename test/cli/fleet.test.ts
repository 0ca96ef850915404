import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Cli, lineOf } from './support/cli.js';
import { Repository } from './support/repository.js';

let cli: Cli;
let repository: Repository;
const mark = randomBytes(4).toString('hex');
/** Each bead writes a file of its own. */
const agent =
  'echo written > "$HEARTBEAD_BEAD.txt" && git add . && git -c user.name=A -c user.email=a@localhost commit ' +
  '-qm "write a file" && heartbead agent done "wrote a file"';
const rig = `rig-${mark}`;
const convoy = (name: string): string => `${name}-${mark}`;
const file = (name: string, beads: string, more = ''): string =>
  `convoy: ${convoy(name)}\ntitle: Convoy ${name}\nrig: ${rig}\n${more}beads:\n${beads}`;
const create = (text: string, ...more: string[]) => cli.run(['convoy', 'create', '-', ...more], { stdin: text });

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: `fleet-${mark}` });
  repository = new Repository();
  await lineOf(cli.start(['worker', '--max-agents', '2']), 'stderr', /the worker polls/);
});
afterAll(async () => {
  await cli.end();
  repository.remove();
});

describe('a convoy file', () => {
  test.each([
    ['that is no YAML', () => 'convoy: [', /-?:\d+: /],
    ['with an unknown need', () => file('x', '  - {id: a, title: A, needs: [b]}\n'), /a.*needs.*b/],
    [
      'with a cycle',
      () => file('x', '  - {id: a, title: A, needs: [b]}\n  - {id: b, title: B, needs: [a]}\n'),
      /cycle|each other|circle/,
    ],
    ['with two beads of one id', () => file('x', '  - {id: a, title: A}\n  - {id: a, title: B}\n'), /a/],
    [
      'with a word that no convoy knows',
      () => file('x', '  - {id: a, title: A, colour: red}\n'),
      /:5: beads\.0.*colour/,
    ],
  ])('%s is refused before anything starts', async (_, text, message) => {
    const { code, stderr } = await create(text());
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/\n {2}next: /);
    expect(code).toBe(2);
  });
});

test('a convoy for a rig that is not there is refused (3), as a file and as an import; nothing is created', async () => {
  const text = file('orphan', '  - { id: a, title: A }\n').replace(`rig: ${rig}`, 'rig: nobody-knows-it');
  expect(await create(text)).toMatchObject({ code: 3, stderr: expect.stringContaining('nobody-knows-it') });
  const issues = `${JSON.stringify({ id: 'bd-1', title: 'One', status: 'open' })}\n`;
  const args = ['import', '-', '--rig', 'nobody-knows-it', '--convoy', convoy('orphan'), '--start'];
  expect(await cli.run(args, { stdin: issues })).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/nobody-knows-it[^]*\n {2}next: /),
  });
  expect((await cli.run(['convoy', 'show', convoy('orphan')])).code).toBe(3);
});

describe('a rig', () => {
  test('is added once, shown, listed, changed, paused and resumed', async () => {
    const add = [
      'rig',
      'add',
      rig,
      '--repo',
      repository.path,
      '--command',
      agent,
      '--max-agents',
      '2',
      '--check',
      'there=test -e README.md',
    ];
    expect(await cli.run(add)).toMatchObject({ code: 0 });
    expect((await cli.run(add)).code).toBe(4);
    expect(await cli.json(['rig', 'show', rig])).toMatchObject({
      rig,
      version: 1,
      settings: { maxAgents: 2, strategy: 'merge', approval: false },
    });
    expect((await cli.run(['rig', 'set', rig, '--max-agents', '1'])).stdout).toContain('version 2');
    expect((await cli.run(['rig', 'pause', rig])).code).toBe(0);
    expect((await cli.run(['rig', 'pause', rig])).code).toBe(4);
    expect((await cli.run(['rig', 'resume', rig])).code).toBe(0);
    await expect
      .poll(async () => (await cli.run(['rig', 'ls'])).stdout, { timeout: 90_000, interval: 500 })
      .toContain(rig);
    expect((await cli.run(['rig', 'show', 'nobody-knows-it'])).code).toBe(3);
    expect((await cli.run(['rig', 'set', rig, '--max-agents', '0'])).code).toBe(2);
  });

  test('lands a convoy: --wait ends with 0, the graph shows what was merged, and the queue tells it', async () => {
    const { code, stderr } = await create(
      file('two', '  - {id: a, title: First}\n  - {id: b, title: Second, needs: [a]}\n'),
      '--wait',
    );
    expect(stderr).toMatch(/1\/2 merged/);
    expect(code).toBe(0);
    const { stdout } = await cli.run(['convoy', 'show', convoy('two')]);
    expect(stdout).toMatch(/landed/);
    expect(
      (await cli.json<{ beads: { id: string; status: string }[] }>(['convoy', 'show', convoy('two')])).beads.map(
        ({ id, status }) => [id, status],
      ),
    ).toEqual([
      ['a', 'merged'],
      ['b', 'merged'],
    ]);
    expect((await cli.run(['queue', rig])).stdout).toContain(`${convoy('two')}-b`);
    expect((await cli.run(['convoy', 'start', convoy('two')])).code).toBe(4);
    // Nothing of ours is left on the remote: the host sees to it by itself.
    const ours = (): string =>
      repository.git('for-each-ref', '--format=%(refname)', 'refs/heartbead', 'refs/heads/heartbead');
    await expect.poll(ours, { timeout: 90_000, interval: 500 }).toBe('');
    repository.git('update-ref', `refs/heartbead/${convoy('basic')}-gone/1-aaaa/wip`, 'HEAD');
    const { stdout: left } = await cli.run(['tidy', '--remote', '--dry-run', '--rig', rig]);
    expect(left).toMatch(/stays: 1 ref\n[^]*nobody knows its bead/);
    repository.git('update-ref', '-d', `refs/heartbead/${convoy('basic')}-gone/1-aaaa/wip`);
  });

  test('with approval: a bead waits for a person, and is merged when approved', async () => {
    expect((await cli.run(['rig', 'set', rig, '--approval'])).code).toBe(0);
    const bead = convoy('careful');
    expect((await cli.run(['approve', bead])).code).toBe(3);
    await cli.run(['sling', 'Careful work', '--id', bead, '--rig', rig]);
    await expect
      .poll(async () => (await cli.json<{ state: { wait?: { for: string } } }>(['show', bead])).state.wait?.for, {
        timeout: 60_000,
        interval: 500,
      })
      .toBe('approval');
    expect((await cli.run(['approve', bead, '--by', 'a tester'])).code).toBe(0);
    await expect
      .poll(async () => (await cli.json<{ state: { status: string } }>(['show', bead])).state.status, {
        timeout: 60_000,
        interval: 500,
      })
      .toBe('closed');
    expect((await cli.run(['request-changes', bead, 'too late'])).code).toBe(4);
  });

  test('staged, a convoy starts nothing; cancelled, it ends, and the rig can go', async () => {
    expect((await create(file('later', '  - {id: a, title: Later}\n', 'staged: true\n'))).code).toBe(0);
    expect((await cli.json<{ status: string }>(['convoy', 'show', convoy('later')])).status).toBe('staged');
    expect((await cli.run(['convoy', 'add', convoy('later'), 'b', 'After it', '--needs', 'a'])).code).toBe(0);
    expect((await cli.run(['convoy', 'add', convoy('later'), 'c', 'After nothing', '--needs', 'nobody'])).code).toBe(4);
    expect((await cli.run(['convoy', 'cancel', convoy('later')])).code).toBe(0);
    await expect
      .poll(async () => (await cli.json<{ status: string }>(['convoy', 'show', convoy('later')])).status, {
        timeout: 90_000,
        interval: 300,
      })
      .toBe('cancelled');
    expect((await cli.run(['rig', 'rm', rig])).code).toBe(0);
    await expect
      .poll(async () => (await cli.run(['rig', 'pause', rig])).stderr, { timeout: 90_000, interval: 500 })
      .toContain('has ended');
    const orphan = await create(file('orphan', '  - {id: a, title: A}\n'));
    expect([orphan.code, orphan.stderr]).toEqual([4, expect.stringContaining(`rig ${rig} has ended`)]);
  });
});
