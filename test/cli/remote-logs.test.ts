import { Client, Connection } from '@temporalio/client';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { AttemptReader, BeadClient, checkOutput } from '../../src/client/index.js';
import { pieceBytes } from '../../src/contract/index.js';
import type { BeadView } from '../../src/contract/index.js';
import { until } from '../support/until.js';
import { Cli, finished, lineOf, main } from './support/cli.js';
import { Repository } from './support/repository.js';

/** A host with a worker, and a machine that shares nothing with it but the server. */
let host: Cli;
let far: Cli;
let repository: Repository;
let connection: Connection;
let client: Client;
/** Of each try its own: what a failed one has left is in nobody's way. */
let queue: string;
let mark: string;
const lines = 12_000;
/** The server deletes ended workflows by and by. */
const deletedWithin = 240_000;

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
});
afterAll(() => connection.close());

beforeEach(() => {
  const { address, namespace } = inject('devServer');
  mark = randomBytes(4).toString('hex');
  queue = `far-${mark}`;
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue };
  host = new Cli(env);
  far = new Cli(env);
  repository = new Repository();
});
afterEach(async () => {
  await host.end();
  await far.end();
  repository.remove();
});

const questions = async (): Promise<number> =>
  (await client.workflow.count(`WorkflowType = 'hostQuestion' AND TaskQueue = '${queue}'`)).count;

test('a log of another host is read in pieces, goes on where it broke off when the worker there is killed, and stays in no history', async () => {
  const bead = `talks-${mark}`;
  const view = (): Promise<BeadView> => new BeadClient({ client }).view(bead, 5_000);
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
  const patch = await far.run(['diff', bead]);
  expect(patch).toMatchObject({ code: 0, stdout: diff.bytes.toString(), stderr: '' });

  // A host that is away, and an attempt that it does not have, are told.
  const town = { client, taskQueue: queue };
  await expect(
    new AttemptReader(town, { bead, attempt, host: 'nowhere-000000', part: 'agent-log' }).next(),
  ).rejects.toThrow(/host nowhere-000000 does not answer/);
  await expect(
    new AttemptReader(town, { bead, attempt: '9-abcdef01', host: where, part: 'agent-log' }).next(),
  ).rejects.toThrow(/has nothing of attempt 9-abcdef01/);
  expect((await far.run(['logs', bead, '--check'])).stderr).toMatch(/it belongs to no rig/);
  // The host holds a question back for 20 s, and its answer is waited for twice as long.
}, 600_000);

test('the files of an attempt, a shell in its worktree, and what the checks printed', async () => {
  const rig = `rig-${mark}`;
  const worked = `works-${mark}`;
  const go = join(repository.path, '.git/go-on');
  const big = 'x'.repeat(1_000);
  await lineOf(host.start(['worker']), 'stderr', /the worker polls/);
  await far.json(
    ['rig', 'add', rig, '--repo', repository.path, '--command', 'true'].concat([
      ...[
        '--check',
        'first=echo out of the first; i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo "$i ' + big + '"; done',
      ],
      ...['--check', 'second=echo out of the second; exit 1'],
    ]),
  );
  const command = [
    `printf '\\000\\377bytes' > data.bin; echo .env > .gitignore; echo secret > .env; ln -s .env link`,
    'head -c 400000 /dev/zero | tr \'\\000\' y > "a long name.txt"; git add . && git -c user.name=A -c ' +
      'user.email=a@localhost commit -qm files',
    `echo ready; until [ -e '${go}' ]; do sleep 0.1; done; heartbead agent done files`,
  ].join('; ');
  await far.json(['sling', 'Works', '--id', worked, '--rig', rig, '--command', command]);
  await lineOf(far.start(['logs', worked, '-f']), 'stdout', /^ready$/);

  const patch = await far.json<{ diff: string; attempt: string }>(['diff', worked]);
  // Longer than a piece, and not what a save leaves out.
  expect(patch.diff).toContain(`\n@@ -0,0 +1 @@\n+${'y'.repeat(400_000)}\n`);
  expect(patch.diff).not.toContain('secret');
  const listed = (await far.run(['files', worked])).stdout.trimEnd().split('\n');
  expect(listed.map((line) => line.trim().replace(/ +/, ' '))).toEqual(
    expect.arrayContaining(['400000 a long name.txt', '7 data.bin', '5 .gitignore']),
  );
  expect(listed.join('\n')).not.toMatch(/link|\.env$/m);
  expect((await far.run(['files', worked, 'a long name.txt'])).stdout).toBe('y'.repeat(400_000));
  expect(await far.run(['files', worked, 'data.bin', '--json'])).toMatchObject({
    code: 0,
    stdout:
      `${JSON.stringify({ path: 'data.bin', base64: Buffer.from('\0\xffbytes', 'latin1').toString('base64') })}` + '\n',
  });
  for (const path of ['.env', 'link', 'nosuch']) {
    const { code, stderr, stdout } = await far.run(['files', worked, path]);
    expect([code, stdout], path).toEqual([1, '']);
    expect(stderr).toContain(`there is no file "${path}" of attempt`);
  }
  expect((await far.run(['files', worked, '../../input.json'])).code).toBe(2);

  const away = await far.run(['attach', worked]);
  expect(away.code).toBe(4);
  expect(away.stderr).toMatch(/is on host \S+, not on this one/);
  // A terminal of its own, as a person has one.
  const shell = host.start(['-qec', `'${process.execPath}' '${main}' attach ${worked}`, '/dev/null'], {
    executable: 'script',
    env: { SHELL: '/bin/sh', TEMPORAL_API_KEY: 'a-secret' },
  });
  const seen = finished(shell);
  shell.stdin?.write(
    'test -t 0 && echo a "terminal"; pwd -P; ls data.bin; env | grep -E "TEMPORAL|HEARTBEAD"; echo the "end"; exit\n',
  );
  const { stdout: said, code: ended } = await seen;
  expect(ended).toBe(0);
  expect(said).toMatch(new RegExp(`a terminal\r\n\\S*/attempts/\\S*__${worked}/\\S+\r\ndata.bin\r\nthe end`));
  expect(said).toContain(`heartbead pause ${worked}`);

  writeFileSync(go, '');
  const ofBead = new BeadClient({ client });
  await until('the check has failed', async () => (await ofBead.view(worked, 5_000)).attemptCount > 1, 240_000);
  const whole = await far.run(['logs', worked, '--check']);
  expect(whole.stdout).toMatch(/check first: echo out[^]*^1 x[^]*^500 x[^]*^out of the second$/m);
  expect(Buffer.byteLength(whole.stdout)).toBeGreaterThan(pieceBytes * 2);
  const second = (await far.run(['logs', worked, '--check', 'second'])).stdout.trimEnd().split('\n');
  expect(second.slice(0, 3).map((line) => line.replace(/^--- \S+ /, ''))).toEqual([
    'check second: echo out of the second; exit 1',
    'out of the second',
    expect.stringMatching(/^check second (?!:)/),
  ]);
  expect((await far.run(['logs', worked, '--check', 'third'])).stderr).toMatch(/tell of none named third/);
  const town = { client, connection, namespace: client.options.namespace, taskQueue: queue };
  const output = await checkOutput(town, await ofBead.view(worked, 5_000));
  expect(output).toMatchObject({ cut: true, source: { rig, part: 'check-log' } });
  expect(output.bytes.length).toBe(pieceBytes);
  await far.json(['cancel', worked]);
  // Its worktree goes once its work is on the remote; what it did is still to be seen.
  const first = patch.attempt;
  const gone = await until(
    'the worktree is gone',
    async () => {
      const { stderr } = await far.run(['files', worked, '--attempt', first]);
      return stderr.includes('has no worktree') && stderr;
    },
    240_000,
  );
  expect(gone).toContain(`next: see how the attempt ended with \`heartbead show ${worked}\``);
  expect(await far.json(['diff', worked, '--attempt', first])).toMatchObject({ attempt: first, diff: patch.diff });
}, 600_000);
