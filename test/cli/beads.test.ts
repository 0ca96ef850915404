import { Client, Connection } from '@temporalio/client';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { BeadSummary } from '../../src/client/list.js';
import type { BeadView } from '../../src/contract/index.js';
import { Cli, finished, lineOf } from './support/cli.js';
import { Repository, goodAgent } from './support/repository.js';

let cli: Cli;
let repository: Repository;
let connection: Connection;
let client: Client;
const queue = `cli-${randomBytes(4).toString('hex')}`;
/** Ids of one file's beads must not meet those of another on the same server. */
const id = (name: string): string => `${name}-${queue.slice(4)}`;
const slingArgs = (name: string, ...more: string[]): string[] => [
  'sling',
  `Title of ${name}`,
  '--id',
  id(name),
  '--repo',
  repository.path,
  ...more,
];

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue });
  repository = new Repository();
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
  await lineOf(cli.start(['worker']), 'stderr', /the worker polls/);
});
afterAll(async () => {
  await cli.end();
  await connection.close();
  repository.remove();
});

interface Shown {
  bead: string;
  partial: boolean;
  notes: string[];
  state: BeadView | null;
  execution: { execution: string; status?: string };
}

describe('a bead that goes well', () => {
  test('sling --wait tells its progress on stderr, and ends with 0 when it has closed with evidence', async () => {
    const go = join(repository.path, '.git/go');
    const sling = cli.start([
      ...slingArgs('good', '--command', `until [ -e '${go}' ]; do sleep 0.1; done; ${goodAgent}`),
      '--wait',
      '--json',
    ]);
    await lineOf(sling, 'stderr', /agent working/);
    writeFileSync(go, '');
    const { code, stdout } = await finished(sling);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as { sha: string; branch: string };
    expect(result).toMatchObject({
      bead: id('good'),
      title: 'Title of good',
      repo: repository.path,
      workflowId: `bead-${id('good')}`,
      runId: expect.any(String),
      status: 'closed',
      attempts: 1,
      reason: expect.any(String),
    });
    expect(repository.git('rev-parse', `refs/heads/${result.branch}`)).toBe(result.sha);
  });

  test('show has its whole state, as JSON and as a page', async () => {
    const shown = await cli.json<Shown>(['show', id('good')]);
    expect(shown).toMatchObject({
      bead: id('good'),
      partial: false,
      notes: [],
      execution: { execution: 'COMPLETED', status: 'closed' },
    });
    expect(shown.state).toMatchObject({
      status: 'closed',
      attemptCount: 1,
      attempts: [{ outcome: 'done' }],
      summary: 'wrote a file',
    });
    const { stdout } = await cli.run(['show', id('good')]);
    expect(stdout).toMatch(/status +closed/);
    expect(stdout).toMatch(/summary +wrote a file/);
  });

  test('explain says it in words', async () => {
    const explained = await cli.json<{ verdict: string; lines: string[] }>(['explain', id('good')]);
    expect(explained).toMatchObject({ bead: id('good'), verdict: 'closed', partial: false });
    expect(explained.lines.join('\n')).toContain('ended done');
  });

  test('it is in the list of all beads with its title, and not among the open ones', async () => {
    const listed = async (): Promise<BeadSummary | undefined> =>
      (await cli.json<{ beads: BeadSummary[] }>(['ls', '--all', '--limit', '1000'])).beads.find(
        ({ bead }) => bead === id('good'),
      );
    await expect
      .poll(listed, { timeout: 90_000, interval: 500 })
      .toMatchObject({ title: 'Title of good', status: 'closed', agent: 'none', repo: repository.path });
    expect(
      (await cli.json<{ beads: BeadSummary[] }>(['ls', '--limit', '1000'])).beads.map(({ bead }) => bead),
    ).not.toContain(id('good'));
  });

  test('its id cannot be used again: refused (4)', async () => {
    const again = await cli.run(slingArgs('good', '--command', goodAgent));
    expect(again.code).toBe(4);
    expect(again.stderr).toMatch(/exists already \(closed\); nothing was changed\n {2}next: choose another --id/);
  });

  test('it can be neither nudged nor cancelled any more: refused (4)', async () => {
    for (const args of [
      ['nudge', id('good'), 'hello'],
      ['cancel', id('good')],
      ['retry', id('good')],
      ['pause', id('good')],
    ]) {
      const ran = await cli.run(args);
      expect([args[0], ran.code, ran.stderr]).toEqual([args[0], 4, expect.stringMatching(/has ended \(closed\)/)]);
    }
  });
});

describe('a bead at work', () => {
  // Works until it is told to finish; says what it hears.
  const patient =
    'echo at work; until heartbead agent messages --json | tee -a heard.json | grep -q finish; do sleep 0.2; ' +
    'done; heartbead agent messages --ack; git add . && git -c user.name=A -c user.email=a@localhost commit -qm ' +
    'heard && heartbead agent done heard';

  test('a second sling of its id is refused (4), and harms nothing; logs -f follows it to its end; a nudge reaches it', async () => {
    const started = await cli.json(slingArgs('patient', '--command', patient));
    expect(started).toEqual({
      bead: id('patient'),
      title: 'Title of patient',
      repo: repository.path,
      workflowId: `bead-${id('patient')}`,
      runId: expect.any(String),
    });
    await expect
      .poll(async () => (await cli.json<Shown>(['show', id('patient')])).state?.agent, {
        timeout: 60_000,
        interval: 300,
      })
      .toBe('working');
    const before = (await cli.json<Shown>(['show', id('patient')])).state;

    const again = await cli.run(slingArgs('patient', '--command', 'false'));
    expect(again.code).toBe(4);
    expect(again.stderr).toMatch(/exists already \(in_progress\); nothing was changed/);
    const after = (await cli.json<Shown>(['show', id('patient')])).state;
    expect(after?.current?.id).toBe(before?.current?.id);
    expect(after?.agentSpec.command).toBe(patient);

    const following = cli.start(['logs', id('patient'), '-f']);
    const followed = finished(following);
    await lineOf(following, 'stdout', /at work/);
    const nudged = await cli.json(['nudge', id('patient'), 'please finish']);
    expect(nudged).toEqual({ bead: id('patient'), text: expect.stringMatching(/agent/) });
    expect(await followed).toMatchObject({ code: 0, stdout: expect.stringContaining('at work') });
    await expect
      .poll(async () => (await cli.json<Shown>(['show', id('patient')])).state?.status, {
        timeout: 60_000,
        interval: 300,
      })
      .toBe('closed');
    expect((await cli.json<Shown>(['show', id('patient')])).state).toMatchObject({ attemptCount: 1, messages: [] });
  });

  test('cancel --wait ends with 0 when the agent is gone', async () => {
    await cli.json(slingArgs('cancelled', '--command', 'echo begun; exec sleep 600'));
    await expect
      .poll(async () => (await cli.json<Shown>(['show', id('cancelled')])).state?.agent, {
        timeout: 60_000,
        interval: 300,
      })
      .toBe('working');
    const { code, stdout } = await cli.run(['cancel', id('cancelled'), '--wait', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ bead: id('cancelled'), requested: true, status: 'cancelled' });
    expect((await cli.json<Shown>(['show', id('cancelled')])).execution.execution).toBe('CANCELLED');
  });

  test('an id whose bead was cancelled may be used again', async () => {
    expect((await cli.run([...slingArgs('cancelled', '--command', goodAgent), '--wait'])).code).toBe(0);
  });
});

describe('a bead that cannot go on', () => {
  test('a wrong branch: --wait ends with 1, with the reason and what to do; the bead stays open', async () => {
    const { code, stderr, stdout } = await cli.run([
      ...slingArgs('blocked', '--command', goodAgent, ...repository.withoutBase),
      '--wait',
      '--json',
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      bead: id('blocked'),
      status: 'blocked',
      reason: expect.stringContaining('nosuch'),
      fix: expect.any(String),
    });
    const error = stderr.trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(error)).toMatchObject({
      error: {
        code: 1,
        message: expect.stringMatching(/is blocked: .*nosuch/),
        next: expect.stringContaining('retry'),
      },
    });
    expect(stderr).not.toMatch(/^\s+at .*\(/m);
  });

  test('pause, resume, retry: each answers with a sentence, and what makes no sense is refused (4)', async () => {
    expect(await cli.run(['resume', id('blocked')])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('the bead is not paused'),
    });
    expect(await cli.json(['pause', id('blocked')])).toEqual({
      bead: id('blocked'),
      text: expect.stringContaining('paused'),
    });
    expect(await cli.run(['pause', id('blocked')])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('already paused'),
    });
    expect(await cli.json(['resume', id('blocked')])).toEqual({ bead: id('blocked'), text: expect.any(String) });
    expect(await cli.json(['retry', id('blocked')])).toEqual({ bead: id('blocked'), text: expect.any(String) });
    await expect
      .poll(async () => (await cli.json<Shown>(['show', id('blocked')])).state, { timeout: 60_000, interval: 300 })
      .toMatchObject({ status: 'blocked', attemptCount: 2 });
  });

  test('retry with another base and another agent: the bead goes on with these, and lists and its story say so', async () => {
    const blocked = (attempts: number): Promise<void> =>
      expect
        .poll(async () => (await cli.json<Shown>(['show', id('mended')])).state, { timeout: 60_000, interval: 300 })
        .toMatchObject({ status: 'blocked', attemptCount: attempts });
    await cli.json(slingArgs('mended', '--command', 'no-such-agent-program', ...repository.withoutBase));
    await blocked(1);
    expect(await cli.run(['retry', id('mended'), '--base=--evil'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('a branch name cannot begin with a dash'),
    });
    expect(await cli.run(['retry', id('mended'), '--agent', 'rig'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('this bead has no rig'),
    });
    await cli.json(['retry', id('mended'), '--base', 'main']);
    await blocked(2);
    expect((await cli.json<Shown>(['show', id('mended')])).state).toMatchObject({
      base: 'main',
      attempts: [{ outcome: 'setup_failed' }, { outcome: 'not_installed' }],
    });
    await cli.json(['retry', id('mended'), '--agent', 'demo', '--option', 'steps=1', '--option', 'stepMs=1']);
    await expect
      .poll(async () => (await cli.json<Shown>(['show', id('mended')])).state, { timeout: 60_000, interval: 300 })
      .toMatchObject({ status: 'closed', agentSpec: { adapter: 'demo', options: { steps: 1 } } });
    const { stdout } = await cli.run(['history', id('mended')]);
    expect(stdout).toMatch(/asked for a retry, from main/);
    expect(stdout).toMatch(/asked for a retry, with the agent demo/);
    await expect
      .poll(async () => (await cli.json<{ beads: BeadSummary[] }>(['ls', '--all'])).beads, { timeout: 90_000 })
      .toContainEqual(expect.objectContaining({ bead: id('mended'), adapter: 'demo' }));
  });

  test('its attempts have no log, and that is said', async () => {
    const { code, stderr } = await cli.run(['logs', id('blocked')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/has no log|no log here/);
    expect((await cli.run(['logs', id('blocked'), '--attempt', '9-zzzz'])).code).toBe(3);
  });

  test('a command that is not installed: blocked, not failed over and over', async () => {
    const { code, stderr } = await cli.run([
      ...slingArgs('missing', '--command', 'no-such-agent-program --help'),
      '--wait',
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/is blocked: .*no-such-agent-program/);
    expect((await cli.json<Shown>(['show', id('missing')])).state).toMatchObject({
      attemptCount: 1,
      attempts: [{ outcome: 'not_installed' }],
    });
  });

  test('a repository out of reach: the bead waits and says for what', async () => {
    await cli.json([
      'sling',
      'Unreachable',
      '--id',
      id('unreachable'),
      '--repo',
      'http://127.0.0.1:1/r.git',
      '--command',
      'true',
    ]);
    await expect
      .poll(async () => (await cli.json<Shown>(['show', id('unreachable')])).state, { timeout: 60_000, interval: 300 })
      // The first loss was tried again at once.
      .toMatchObject({
        status: 'open',
        wait: { for: 'backoff' },
        attempts: [{ outcome: 'lost' }, { outcome: 'lost' }],
      });
    expect((await cli.run(['explain', id('unreachable')])).stdout).toMatch(/next: in /);
  });

  test('a workflow that somebody terminated: show and explain say by whom and why, and claim nothing else', async () => {
    await cli.json(slingArgs('terminated', '--command', goodAgent, ...repository.withoutBase));
    await client.workflow.getHandle(`bead-${id('terminated')}`).terminate('too expensive');
    const shown = await cli.json<Shown>(['show', id('terminated')]);
    expect(shown.notes[0]).toMatch(/terminated by .*: too expensive/);
    expect(await cli.json(['explain', id('terminated')])).toMatchObject({ verdict: 'terminated' });
    expect((await cli.run(['nudge', id('terminated'), 'hello'])).code).toBe(4);
  });
});

describe('without a worker', () => {
  const alone = { HEARTBEAD_TASK_QUEUE: `${queue}-nobody` };

  test('show gives what the server knows, says that it is partial, and names the command that helps', async () => {
    expect((await cli.run(slingArgs('alone', '--command', goodAgent), { env: alone })).code).toBe(0);
    const { code, stdout } = await cli.run(['--timeout', '2s', 'show', id('alone'), '--json']);
    const shown = JSON.parse(stdout) as Shown;
    expect({ code, partial: shown.partial, state: shown.state, status: shown.execution.status }).toEqual({
      code: 0,
      partial: true,
      state: null,
      status: 'open',
    });
    expect(shown.notes.join(' ')).toContain('heartbead up');
  });

  test('a nudge fails (1) and does not claim to have arrived', async () => {
    const { code, stderr } = await cli.run(['--timeout', '2s', 'nudge', id('alone'), 'hello']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no worker answered/);
  });

  test('doctor names the queue that nobody polls, and is not alarmed', async () => {
    const { code, stdout } = await cli.run(['doctor', '--json'], { env: alone });
    const { checks } = JSON.parse(stdout) as { checks: { name: string; verdict: string; text: string }[] };
    expect(code).toBe(0);
    expect(checks.find(({ name }) => name === 'workers')).toMatchObject({
      verdict: 'warn',
      text: expect.stringContaining(`${queue}-nobody`),
    });
  });
});

test('a workflow whose id is no id of ours is neither listed nor offered to a shell', async () => {
  const evil = [`$(touch\${IFS}/tmp/ran)`, `a b`, `-rf`];
  const handles = await Promise.all(
    evil.flatMap((name) =>
      ['bead', 'rig', 'convoy'].map((type) =>
        client.workflow.start(type, { workflowId: `${type}-${name}${queue}`, taskQueue: `${queue}-nobody` }),
      ),
    ),
  );
  try {
    const query = `TaskQueue = '${queue}-nobody' AND ExecutionStatus = 'Running'`;
    await expect
      .poll(async () => (await client.workflow.count(query)).count, { timeout: 60_000 })
      .toBeGreaterThanOrEqual(handles.length);
    for (const kind of ['beads', 'rigs', 'convoys'])
      for (const line of (await cli.run(['completion', kind])).stdout.trim().split('\n'))
        expect(line).toMatch(/^[a-z0-9-]*$/);
    const { beads } = await cli.json<{ beads: BeadSummary[] }>(['ls', '--all', '--limit', '500']);
    expect(beads.filter(({ bead }) => evil.some((name) => bead.includes(name)))).toEqual([]);
  } finally {
    for (const handle of handles) await handle.terminate();
  }
});

test('doctor finds everything in order: server, attributes, priorities, workers', async () => {
  const { ok, checks } = await cli.json<{ ok: boolean; checks: { name: string; verdict: string }[] }>(['doctor']);
  expect(ok).toBe(true);
  expect(checks.filter(({ verdict }) => verdict !== 'ok').map(({ name }) => name)).toEqual([]);
  expect(checks.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'node',
      'git',
      'state directory',
      'server',
      'namespace',
      'web pages',
      'search attributes',
      'priorities',
      'workers',
      'agent hosts',
      'this host',
      'versions',
      'clock',
      'leftovers',
    ]),
  );
});

test('watch prints the open beads as they change, until it is interrupted', async () => {
  await cli.json(slingArgs('watched', '--command', goodAgent, ...repository.withoutBase));
  const watching = cli.start(['watch', '--json', '--limit', '200']);
  const watched = finished(watching);
  const line = JSON.parse(await lineOf(watching, 'stdout', new RegExp(`"bead":"${id('watched')}"`))) as object;
  expect(line).toMatchObject({
    bead: id('watched'),
    at: expect.any(Number),
    status: expect.any(String),
    agent: expect.any(String),
  });
  watching.kill('SIGINT');
  expect((await watched).code).toBe(0);
});
