import { describe, expect, test } from 'vitest';
import {
  adapters,
  agentEnvironmentFrom,
  checkAgent,
  environmentProblem,
  findAdapter,
} from '../../../src/agents/index.js';
import type { AgentEvent, AgentExit } from '../../../src/agents/index.js';
import { demo } from '../../../src/agents/demo.js';
import { shell } from '../../../src/agents/shell.js';

const context = {
  bead: 'b',
  attempt: '1-abcd',
  number: 1,
  prompt: '# Task\n',
  promptFile: '/a/prompt.md',
  worktree: '/a/worktree',
  folder: '/a',
  heartbead: '/a/bin/heartbead',
  env: {},
};
const only = (events: AgentEvent | AgentEvent[] | undefined): AgentEvent | undefined =>
  Array.isArray(events) ? events[0] : events;
const exit = (more: Partial<AgentExit>): AgentExit => ({ lastLines: [], ...more });

describe('the table of agents', () => {
  test('names each adapter as it names itself, and inherits nothing', () => {
    for (const [name, adapter] of Object.entries(adapters)) expect(adapter.name).toBe(name);
    expect(findAdapter('toString')).toBeUndefined();
    expect(findAdapter('__proto__')).toBeUndefined();
  });

  test('an agent that this host does not know may be known to another one: the file that it is missing in is named', async () => {
    const found = await checkAgent({ adapter: 'nobody' }, {}, '/var/lib/hb');
    expect(found?.kind).toBe('not_here');
    expect(found?.problem).toMatch(
      /there is no agent "nobody"; there are shell, claude, codex, opencode, gemini, pi, demo/,
    );
    expect(found?.problem).toContain('/var/lib/hb/agents.yaml');
  });

  test.each([
    ['a shell agent without a command', { adapter: 'shell' }, /needs a command/],
    ['a shell agent with a blank command', { adapter: 'shell', command: ' ' }, /needs a command/],
    ['options that the agent does not know', { adapter: 'demo', options: { stepz: 3 } }, /stepz/],
    ['an option of the wrong kind', { adapter: 'demo', options: { steps: 'many' } }, /steps/],
    ['an option out of range', { adapter: 'demo', options: { stepMs: -1 } }, /stepMs/],
    ['a variable with its value', { adapter: 'demo', env: ['KEY=secret'] }, /not a name of a variable/],
    ['a way to the server', { adapter: 'demo', env: ['TEMPORAL_API_KEY'] }, /only its runner speaks to Temporal/],
    ['a variable of our own', { adapter: 'demo', env: ['HEARTBEAD_SOCKET'] }, /set by Heartbead itself/],
  ])('%s is refused before anything is cloned', async (_what, spec, problem) => {
    const found = await checkAgent(spec, {});
    expect(found?.kind).toBe('bad_options');
    expect(found?.problem).toMatch(problem);
    expect(found?.problem.length).toBeLessThan(700);
  });

  test('what is in order is not', async () => {
    expect(await checkAgent({ adapter: 'shell', command: 'true', env: ['MY_KEY'] }, {})).toBeUndefined();
    expect(await checkAgent({ adapter: 'demo', options: { steps: 3 } }, {})).toBeUndefined();
    expect(await checkAgent({ adapter: 'demo' }, {})).toBeUndefined();
  });
});

describe('the environment of an agent', () => {
  const host = {
    PATH: '/bin',
    HOME: '/h',
    LC_ALL: 'C',
    GIT_AUTHOR_NAME: 'A',
    GIT_DIR: '/x',
    AWS_SECRET: 's',
    MY_KEY: 'k',
    TEMPORAL_API_KEY: 't',
    HEARTBEAD_HOME: '/hb',
    NODE_OPTIONS: '--x',
  };
  test('is an allow-list, and what the bead names', () => {
    expect(agentEnvironmentFrom(host, ['MY_KEY', 'NOT_SET'], { HEARTBEAD_BEAD: 'b' })).toEqual({
      PATH: '/bin',
      HOME: '/h',
      LC_ALL: 'C',
      GIT_AUTHOR_NAME: 'A',
      MY_KEY: 'k',
      HEARTBEAD_BEAD: 'b',
    });
  });
  test('has the way to the network that its host has, and nothing else of it', () => {
    const ways = {
      https_proxy: 'http://p:1',
      HTTPS_PROXY: 'http://p:2',
      no_proxy: 'localhost',
      NODE_EXTRA_CA_CERTS: '/c',
    };
    expect(agentEnvironmentFrom({ ...ways, PROXY_PASSWORD: 'x' }, [], {})).toEqual(ways);
  });
  test('holds no way to the server even when it is named', () => {
    expect(agentEnvironmentFrom(host, ['TEMPORAL_API_KEY'], {})).not.toHaveProperty('TEMPORAL_API_KEY');
    expect(environmentProblem(['MY_KEY'])).toBeUndefined();
  });
});

describe('the shell agent', () => {
  test('gets its prompt by stdin and by a file, never by argv', () => {
    const command = shell.command({ ...context, spec: { adapter: 'shell', command: 'my-agent --fast' } });
    expect(command).toEqual({
      file: 'sh',
      args: ['-c', 'my-agent --fast'],
      env: { HEARTBEAD_PROMPT_FILE: '/a/prompt.md' },
      stdin: '# Task\n',
    });
  });
  test('every line that says something is progress', () => {
    const parse = shell.parser();
    expect(parse('works', 'stdout')).toEqual({ kind: 'progress', activity: 'works' });
    expect(only(parse('warns', 'stderr'))?.kind).toBe('progress');
    expect(parse('   ', 'stdout')).toBeUndefined();
  });
  test.each([
    ['dash', 'sh: 1: my-agent: not found'],
    ['dash with a path', 'sh: 1: /opt/my-agent: not found'],
    ['bash', 'bash: line 1: my-agent: command not found'],
    ['zsh, the other way round', 'my-agent: command not found'],
  ])('a command that is not there, in the words of %s', (_shell, line) => {
    const verdict = shell.classify?.(exit({ code: 127, lastLines: ['some output', line] }), []);
    expect(verdict?.outcome).toBe('not_installed');
    expect(verdict?.reason).toMatch(/my-agent was not found/);
  });
  test('any other status says nothing about that', () => {
    expect(shell.classify?.(exit({ code: 1, lastLines: ['x: not found'] }), [])).toBeUndefined();
    expect(shell.classify?.(exit({ code: 127, lastLines: [] }), [])?.outcome).toBe('not_installed');
  });
});

describe('the demo agent’s adapter', () => {
  const parse = demo.parser();
  test('tells progress, life and the rest apart; what it cannot read means nothing', () => {
    const kind = (line: object | string): string | undefined =>
      only(parse(typeof line === 'string' ? line : JSON.stringify(line), 'stdout'))?.kind;
    expect(kind({ text: 'key order is free', type: 'text' })).toBe('progress');
    expect(parse('{"type":"tool","name":"write","text":"a.md"}', 'stdout')).toEqual({
      kind: 'progress',
      tool: true,
      activity: 'write: a.md',
    });
    expect(kind({ type: 'retry', text: '1 of 5' })).toBe('life');
    expect(kind({ type: 'session', id: 's' })).toBe('session');
    expect(kind({ type: 'unheard-of' })).toBeUndefined();
    expect(kind('not json')).toBeUndefined();
    expect(kind('null')).toBeUndefined();
  });
  test('its provider’s refusal counts only when it ended badly', () => {
    const refused = [{ kind: 'rate_limited' as const, text: '429', retryAfterMs: 5 }];
    expect(demo.classify?.(exit({ code: 1 }), refused)).toEqual({
      outcome: 'rate_limited',
      reason: '429',
      retryAfterMs: 5,
    });
    expect(demo.classify?.(exit({ code: 0 }), refused)).toBeUndefined();
    expect(demo.classify?.(exit({ code: 1 }), [])).toBeUndefined();
  });
  test('a slow preparation tells how far it is, and can be broken off', async () => {
    const told: number[] = [];
    await demo.prepare?.(
      { adapter: 'demo', options: { prepareMs: 50 } },
      { progress: ({ percent }) => told.push(percent ?? -1) },
    );
    expect(told[0]).toBe(0);
    expect(told.at(-1)).toBe(100);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    await demo.prepare?.({ adapter: 'demo' }, { progress: () => expect.unreachable() });
    const controller = new AbortController();
    const broken = demo.prepare?.(
      { adapter: 'demo', options: { prepareMs: 600_000 } },
      { progress: () => controller.abort(), signal: controller.signal },
    );
    await expect(broken).rejects.toThrow();
  });
});
