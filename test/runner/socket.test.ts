import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import type { Message } from '../../src/contract/index.js';
import { AgentSocketClient, AgentSocketError, RunnerRefusedError } from '../../src/runner/index.js';
import { unixRequest } from '../../src/runner/sockets/unix-http.js';
import { git, startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
let attempt: Attempt;
let socketPath: string;
let client: AgentSocketClient;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

/** An agent that only lives; the test speaks in its name. */
const quiet = { adapter: 'shell', command: 'sleep 600' };
const open = async (messages: Message[] = [], clocks = {}): Promise<void> => {
  attempt = await town.attempt({ agent: quiet, messages, clocks });
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  socketPath = (await attempt.dir.readRunner())!.sockets!.agent;
  client = new AgentSocketClient(socketPath);
};
const ask = (method: 'GET' | 'POST', path: string, body?: unknown) =>
  unixRequest({ socketPath, method, path, body, timeoutMs: 20_000 });
const message = (id: string, text = `text of ${id}`): Message => ({ id, text, from: 'operator', at: 1 });

describe('the agent’s socket', () => {
  test('refuses bad input with a sentence, and never answers with a stack', async () => {
    await open();
    const refusals: [string, 'GET' | 'POST', unknown, number, RegExp][] = [
      ['/note', 'POST', {}, 400, /text/],
      ['/note', 'POST', { text: '   ' }, 400, /text/],
      ['/note', 'POST', { text: 7 }, 400, /string/],
      ['/note', 'POST', { text: 'x', more: 1 }, 400, /more/],
      ['/note', 'POST', { text: 'x'.repeat(2_001) }, 400, /2000/],
      ['/note', 'POST', { text: 'x'.repeat(300_000) }, 413, /at most/],
      ['/heartbeat', 'POST', [], 400, /object/],
      ['/messages/ack', 'POST', { ids: [] }, 400, /ids/],
      ['/messages/ack', 'POST', { ids: Array(101).fill('x') }, 400, /ids/],
      ['/done', 'GET', undefined, 404, /there is no GET \/done/],
      ['/nothing', 'POST', {}, 404, /there is no POST \/nothing/],
      ['/__proto__', 'POST', {}, 404, /there is no/],
    ];
    for (const [path, method, body, status, text] of refusals) {
      const answer = await ask(method, path, body);
      expect({ path, status: answer.status }).toEqual({ path, status });
      expect((answer.body as { error: string }).error).toMatch(text);
      expect(JSON.stringify(answer.body)).not.toMatch(/\.js:|node_modules/);
    }
    expect(await attempt.notes()).toEqual([]);
    expect((await attempt.status()).phase).toBe('running');
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  });

  test('a heartbeat is progress and reaches the bead with its activity; looking for messages is not', async () => {
    await open();
    expect(await client.messages()).toEqual([]);
    expect((await attempt.status()).lastProgressAt).toBeUndefined();
    await client.heartbeat('reads\u001b[31m the\ncode');
    const heard = await until('the signal', async () => (await attempt.heard()).find(({ kind }) => kind === 'agent'));
    expect(heard).toMatchObject({ activity: 'reads the code', host: 'test-host' });
  });

  test('messages are kept until they are acknowledged, and the bead hears of that', async () => {
    await open([message('m1')]);
    await attempt.control.deliver(message('m2'));
    await attempt.control.deliver(message('m2'));
    await attempt.control.deliver({ ...message('m3'), deliveredTo: 'x' } as Message);
    expect((await client.messages()).map(({ id }) => id)).toEqual(['m1', 'm2', 'm3']);
    expect(await client.acknowledge(['m2', 'm1', 'unknown'])).toBe(2);
    expect((await client.messages()).map(({ id }) => id)).toEqual(['m3']);
    await attempt.control.deliver(message('m1'));
    expect((await client.messages()).map(({ id }) => id)).toEqual(['m3']);
    const heard = await until('the signal', async () =>
      (await attempt.heard()).find(({ acknowledged }) => acknowledged !== undefined),
    );
    expect(heard.acknowledged).toEqual(['m2', 'm1']);
    const result = await attempt.control.stop({ outcome: 'stopped', reason: 'the test is over' });
    expect(result.acknowledged).toEqual(['m2', 'm1']);
    await until('the end of the runner', () =>
      client.messages().then(
        () => false,
        (error: unknown) => error instanceof AgentSocketError && error.kind === 'gone',
      ),
    );
  });

  test('more messages than the agent can hold are refused', async () => {
    await open(Array.from({ length: 50 }, (_, at) => message(`m${at}`)));
    await expect(attempt.control.deliver(message('one-more'))).rejects.toBeInstanceOf(RunnerRefusedError);
    await expect(attempt.control.deliver(message('m7'))).resolves.toBeUndefined();
  });

  test('notes go to the bead in order; too many are refused', async () => {
    await open();
    for (let at = 0; at < 20; at++) await client.note(`note ${at}`);
    await expect(client.note('one more')).rejects.toMatchObject({ kind: 'refused', status: 429 });
    await client.escalate('help');
    await until('all notes', async () => (await attempt.notes()).length === 21);
    expect((await attempt.notes()).map(({ text }) => text)).toEqual([
      ...Array.from({ length: 20 }, (_, at) => `note ${at}`),
      'help',
    ]);
    expect(await attempt.dir.readReport()).toMatchObject({ kind: 'escalated', text: 'help' });
  });

  test('a checkpoint is on the remote when it is answered, and goes to the bead', async () => {
    await open();
    await writeFile(`${attempt.dir.worktree}/work`, 'half done');
    const answer = await client.checkpoint('half way');
    expect(answer).toMatchObject({ pushed: true, checkpoint: { wip: true } });
    expect(await attempt.remote(attemptRefs.wip(attempt.bead, attempt.dir.attempt))).toBe(answer.checkpoint.sha);
    await until(
      'the bead knows',
      async () =>
        (await attempt.heard()).some(({ checkpoint }) => checkpoint?.sha === answer.checkpoint.sha) ||
        (await client.heartbeat(), false),
    );
    expect(await git(attempt.dir.worktree, 'status', '--porcelain')).toBe('?? work');
  });

  test('a remote that is away: the agent hears of it, beats show it, and it is made up for', async () => {
    await open([], { checkpointEvery: 1_000 });
    await rename(attempt.origin, `${attempt.origin}.away`);
    await writeFile(`${attempt.dir.worktree}/work`, 'half done');
    expect(await client.checkpoint()).toMatchObject({ pushed: false });
    expect(await attempt.status()).toMatchObject({
      phase: 'running',
      pushProblem: expect.any(String) as string,
      text: expect.stringContaining('last push failed') as string,
    });
    await writeFile(`${attempt.dir.worktree}/more`, 'x');
    await git(attempt.dir.worktree, 'add', '.');
    await git(attempt.dir.worktree, 'commit', '-qm', 'work');
    const refusal = await client.done().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(AgentSocketError);
    expect(refusal).toMatchObject({ status: 503 });
    await rename(`${attempt.origin}.away`, attempt.origin);
    await until('the push is made up for', async () => (await attempt.status()).pushProblem === undefined);
    expect(await client.done()).toMatchObject({ outcome: 'done' });
  });

  test('without a socket in its environment an agent’s command says for whom it is', () => {
    expect(() => AgentSocketClient.fromEnvironment({})).toThrow(/HEARTBEAD_SOCKET/);
  });

  test('the prompt has the task, the way to report, and the messages', async () => {
    await open([message('m1', 'please hurry')]);
    const prompt = await readFile(attempt.dir.prompt, 'utf8');
    expect(prompt).toMatch(/^# A test\n\nDo it\.\n/);
    expect(prompt).toContain('heartbead agent done');
    expect(prompt).toContain('(m1, from operator) please hurry');
  });
});
