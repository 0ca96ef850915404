import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { operatorVerbs } from '../../src/cli/operator-verbs.js';
import { createProgram } from '../../src/cli/program.js';
import { verbs } from '../../src/cli/verbs/index.js';
import { shimPath, writeShim } from '../../src/package/agent-shim.js';
import { findProgram } from '../../src/agents/index.js';
import { AttemptDir } from '../../src/runner/attempt/attempt-dir.js';
import { Cli, finished, main } from './support/cli.js';

/** A runner that answers as it is told, and remembers what it was asked. */
let runner: Server;
let cli: Cli;
let socket: string;
let answer: { status: number; body: unknown };
const asked: { request: string; body: unknown }[] = [];

beforeAll(async () => {
  cli = new Cli();
  socket = join(cli.home, 's');
  runner = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      asked.push({ request: `${request.method} ${request.url}`, body: text === '' ? undefined : JSON.parse(text) });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => runner.listen(socket, resolve));
});
afterAll(async () => {
  await new Promise((resolve) => runner.close(resolve));
  await cli.end();
});
beforeEach(() => {
  asked.length = 0;
  answer = { status: 200, body: {} };
});

const agent = (args: string[], stdin?: string) =>
  cli.run(['agent', ...args], { env: { HEARTBEAD_SOCKET: socket }, stdin });

describe('each verb is one request to the runner', () => {
  test.each<[string[], string, unknown]>([
    [['heartbeat'], 'POST /heartbeat', {}],
    [['heartbeat', 'runs the tests'], 'POST /heartbeat', { activity: 'runs the tests' }],
    [['note', 'the cache is stale'], 'POST /note', { text: 'the cache is stale' }],
    [['escalate', 'which database?'], 'POST /escalate', { text: 'which database?' }],
  ])('%j', async (args, request, body) => {
    // What it prints would be its agent's newest words: the status says it.
    expect(await agent(args)).toEqual({
      code: 0,
      stdout: args[0] === 'escalate' ? 'a person is asked; you may end now\n' : '',
      stderr: '',
    });
    expect(asked).toEqual([{ request, body }]);
  });

  test('a note from stdin', async () => {
    expect((await agent(['note', '-'], 'two\nlines')).code).toBe(0);
    expect(asked).toEqual([{ request: 'POST /note', body: { text: 'two\nlines' } }]);
  });

  test('checkpoint and done print what the runner answers', async () => {
    const checkpoint = { sha: 'a'.repeat(40), ref: 'refs/heartbead/b/1-aaaa/wip', wip: true };
    answer.body = { checkpoint, pushed: true };
    expect(JSON.parse((await agent(['checkpoint', '--json'])).stdout)).toEqual({ checkpoint, pushed: true });
    expect((await agent(['checkpoint'])).stdout).toBe('');
    answer.body = { checkpoint, pushed: false };
    expect((await agent(['checkpoint', 'half'])).stdout).toBe(
      'saved aaaaaaaaaaaa here; the push will be tried again\n',
    );
    answer.body = { outcome: 'done', branch: 'heartbead/b/1-aaaa', sha: 'b'.repeat(40) };
    expect((await agent(['done', 'all of it'])).stdout).toBe(
      'done: heartbead/b/1-aaaa is pushed at bbbbbbbbbbbb; you may end now\n',
    );
    answer.body = { outcome: 'no_changes', sha: 'b'.repeat(40) };
    expect((await agent(['done'])).stdout).toContain('no commit ahead of the base');
  });

  test('messages are printed with their ids, and acknowledged when asked for', async () => {
    answer.body = { messages: [{ id: 'm1', text: 'mind the tests', from: 'operator', at: 0 }], acknowledged: 1 };
    expect((await agent(['messages'])).stdout).toMatch(/^m1 {2}\S+ {2}operator: mind the tests\n$/);
    expect(asked.map(({ request }) => request)).toEqual(['GET /messages']);
    expect(JSON.parse((await agent(['messages', '--ack', '--json'])).stdout)).toMatchObject({
      messages: [{ id: 'm1' }],
      acknowledged: 1,
    });
    expect(asked.at(-1)).toEqual({ request: 'POST /messages/ack', body: { ids: ['m1'] } });
    await agent(['messages', '--ack', 'm7', 'm8']);
    expect(asked.at(-1)).toEqual({ request: 'POST /messages/ack', body: { ids: ['m7', 'm8'] } });
  });
});

describe('the hook of an agent program', () => {
  const event = JSON.stringify({ hook_event_name: 'PostToolUse' });
  test('answers with the messages that the runner has', async () => {
    answer.body = { messages: [{ id: 'm1', text: 'mind the tests', from: 'operator', at: 0 }] };
    const { code, stdout } = await agent(['hook'], event);
    expect([code, asked[0]?.request, JSON.parse(stdout)]).toEqual([
      0,
      'POST /hook',
      {
        hookSpecificOutput: {
          hookEventName: 'PostToolUse',
          additionalContext: expect.stringContaining('mind the tests') as string,
        },
      },
    ]);
  });
  test('is silent and ends with 0 whatever is wrong: rubbish, a refusal, no runner, no attempt', async () => {
    const silent = { code: 0, stdout: '', stderr: '' };
    expect(await agent(['hook'], 'rubbish')).toEqual(silent);
    answer = { status: 409, body: { error: 'the attempt is being ended' } };
    expect(await agent(['hook'], event)).toEqual(silent);
    expect(
      await cli.run(['agent', 'hook'], { stdin: event, env: { HEARTBEAD_SOCKET: join(cli.home, 'gone') } }),
    ).toEqual(silent);
    expect(await cli.run(['agent', 'hook'], { stdin: event })).toEqual(silent);
  });
});

describe('what can go wrong', () => {
  test('a refusal of the runner ends with 4 and is told in its words', async () => {
    answer = { status: 409, body: { error: 'there are uncommitted changes: commit them first' } };
    expect(await agent(['done'])).toEqual({
      code: 4,
      stdout: '',
      stderr: 'heartbead: there are uncommitted changes: commit them first\n',
    });
  });

  test('a malformed request ends with 2', async () => {
    answer = { status: 400, body: { error: 'a note needs a text' } };
    expect((await agent(['note', 'x'])).code).toBe(2);
    expect((await agent(['note', ' '])).code).toBe(2);
  });

  test('a runner that is gone ends with 1, and says that the attempt is over', async () => {
    const { code, stderr } = await cli.run(['agent', 'heartbeat'], {
      env: { HEARTBEAD_SOCKET: join(cli.home, 'gone') },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not answer.*\n {2}next: the attempt has ended/);
  });

  test('outside an attempt: usage', async () => {
    const { code, stderr } = await cli.run(['agent', 'heartbeat']);
    expect(code).toBe(2);
    expect(stderr).toContain('this command is for agents inside an attempt');
  });
});

describe('inside an attempt', () => {
  const attempt = { HEARTBEAD_ATTEMPT: '1-aaaa1111' };

  test.each([
    ['cancel', 'neighbour'],
    ['rig', 'set', 'app', '--no-approval'],
    ['approve', 'it', '--by', 'me'],
    ['down'],
  ])("an operator's verb is refused (4) with one sentence: %s", async (...args) => {
    const { code, stdout, stderr } = await cli.run(args, { env: attempt });
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(/^heartbead: `heartbead \w+` is for operators, .+\n {2}next: .+\n$/);
  });

  test('the help shows what agents have, and nothing else', async () => {
    const { code, stdout } = await cli.run(['--help'], { env: attempt });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}agent /m);
    expect(stdout).toMatch(/^ {2}mcp /m);
    for (const verb of operatorVerbs) expect(stdout).not.toMatch(new RegExp(`^ {2}${verb} `, 'm'));
  });

  test('the `heartbead` on its PATH knows no more when the agent takes the mark from its environment', async () => {
    await writeShim(join(cli.home, 'bin'));
    const run = (args: string[]) => finished(cli.start(args, { executable: shimPath(join(cli.home, 'bin')) }));
    expect(await run(['cancel', 'neighbour'])).toMatchObject({ code: 4, stdout: '' });
    expect(await run(['agent', 'heartbeat'])).toMatchObject({ code: 2, stderr: expect.stringContaining('not set') });
  });

  test('every verb that is not for agents is one of those that are refused', () => {
    const names = createProgram(verbs).commands.map((command) => command.name());
    expect(names.filter((name) => name !== 'agent' && name !== 'mcp')).toEqual([...operatorVerbs]);
  });
});

test('what is said in the folder of another attempt is refused (4), and not sent: a shared daemon closes no bead', async () => {
  const folder = (name: string): string => join(cli.home, 'attempts', name, 'worktree');
  const variables = { HEARTBEAD_SOCKET: socket, HEARTBEAD_BEAD: 'ra', HEARTBEAD_ATTEMPT: '1-aaaa1111' };
  for (const name of ['1-aaaa1111__ra', '1-bbbb2222__rb']) mkdirSync(folder(name), { recursive: true });
  answer.body = { outcome: 'no_changes', sha: 'b'.repeat(40) };
  const said = (args: string[], name: string, stdin = '') =>
    cli.run(args, { env: variables, cwd: folder(name), stdin });
  expect(await said(['agent', 'done', 'done by rb'], '1-bbbb2222__rb')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('belongs to bead rb'),
  });
  expect((await said(['mcp'], '1-bbbb2222__rb')).code).toBe(1);
  const event = JSON.stringify({ hook_event_name: 'PostToolUse' });
  expect(await said(['agent', 'hook'], '1-bbbb2222__rb', event)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(asked).toEqual([]);
  expect((await said(['agent', 'done', 'done by ra'], '1-aaaa1111__ra')).code).toBe(0);
  expect(asked).toHaveLength(1);
});

test('on a terminal logs show colours and no other orders of an agent; a pipe and --raw get the bytes', async (context) => {
  if (findProgram('script', process.env) === undefined) return context.skip('there is no script(1) here');
  const written = 'a\x1b[31mred\x1b[0m\x1b]52;c;cm0=\x07\x1b[2Jb\u202ec';
  const dir = AttemptDir.of(cli.home, 'noisy', '1-aaaa1111');
  await dir.create();
  writeFileSync(dir.agentLog, `${written}\n`);
  const logs = [process.execPath, main, 'logs', 'noisy'];
  const onTerminal = async (...more: string[]): Promise<string> =>
    (await finished(cli.start(['-qec', [...logs, ...more].join(' '), '/dev/null'], { executable: 'script' }))).stdout;
  expect(await onTerminal()).toContain('a\x1b[31mred\x1b[0mb c\x1b[0m\r\n');
  expect(await onTerminal('--raw')).toContain(written);
  expect((await cli.run(['logs', 'noisy'])).stdout).toBe(`${written}\n`);
});
