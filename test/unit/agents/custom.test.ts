import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allAdapters, checkAgent, findAdapter } from '../../../src/agents/index.js';
import type { AgentAdapter, AgentContext } from '../../../src/agents/index.js';
import { scratchFolder, script } from '../../support/scratch.js';

/** A state directory whose settings file says this. */
function homeWith(settings: string): string {
  const home = scratchFolder('agents');
  writeFileSync(join(home, 'agents.yaml'), settings);
  return home;
}
const agent = (name: string, settings: string): AgentAdapter => {
  const found = findAdapter(name, homeWith(settings));
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};
const context = (more: Partial<AgentContext> = {}): AgentContext => ({
  spec: { adapter: 'mine' },
  bead: 'b',
  attempt: '1-abcd',
  number: 1,
  prompt: 'Do it.',
  promptFile: '/a/prompt.md',
  worktree: '/a/worktree',
  folder: scratchFolder('attempt'),
  heartbead: '/a/bin/heartbead',
  env: { HEARTBEAD_SOCKET: '/a/agent.sock' },
  ...more,
});

describe('an agent from a settings file', () => {
  test.each([
    ['arg', 'command: [mine, "--message={prompt}"]', { args: ['--message=Do it.'] }],
    ['stdin', 'command: [mine, --quiet]', { args: ['--quiet'], stdin: 'Do it.' }],
    ['file', 'command: [mine, -f, "{promptFile}"]', { args: ['-f', '/a/prompt.md'] }],
  ])('gets its prompt by %s', async (delivery, command, expected) => {
    const mine = agent('mine', `agents:\n  mine:\n    prompt: ${delivery}\n    ${command}\n`);
    expect(await mine.command(context())).toEqual({ file: 'mine', env: {}, ...expected });
  });

  test('goes on in its conversation, and gets its MCP server by a file of its own', async () => {
    const mine = agent(
      'mine',
      `
agents:
  mine:
    command: [mine, run]
    prompt: stdin
    output: { format: json-lines, fields: { session: meta.id, text: say } }
    resume: [--continue, "{session}"]
    mcp:
      config: { servers: [{ name: heartbead, exec: ["{heartbead}", mcp], env: { HEARTBEAD_SOCKET: "{socket}" } }] }
      args: [--mcp, "{mcpFile}"]
    set: { MINE_COLOR: never }
`,
    );
    const given = context();
    const session = { id: 's-1', adapter: 'mine', attempt: '1-abcd', host: 'h', from: 's-1' };
    expect(
      await mine.findSession?.(session, {
        spec: given.spec,
        env: {},
        folder: '/gone',
        scratch: given.folder,
        worktree: given.worktree,
      }),
    ).toEqual(session);
    const file = join(given.folder, 'mcp.json');
    expect(await mine.command({ ...given, resume: session })).toEqual({
      file: 'mine',
      args: ['run', '--mcp', file, '--continue', 's-1'],
      env: { MINE_COLOR: 'never' },
      stdin: 'Do it.',
    });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      servers: [{ name: 'heartbead', exec: ['/a/bin/heartbead', 'mcp'], env: { HEARTBEAD_SOCKET: '/a/agent.sock' } }],
    });
    expect((await mine.command(given)).args).toEqual(['run', '--mcp', file]);
  });

  test('is understood by the paths of its fields', () => {
    const mine = agent(
      'mine',
      `
agents:
  mine:
    command: [mine]
    prompt: stdin
    output:
      format: json-lines
      usage: total
      fields: { session: id, text: message.parts.0.text, tool: call.name, inputTokens: usage.in, costUsd: usage.usd, error: error.message, status: error.code, retryAfterMs: error.wait }
`,
    );
    const parse = mine.parser();
    const read = (line: object): unknown => parse(JSON.stringify(line), 'stdout');
    expect(read({ id: 's', message: { parts: [{ text: 'hello' }] } })).toEqual([
      { kind: 'session', id: 's' },
      { kind: 'progress', activity: 'hello' },
    ]);
    expect(read({ call: { name: 'edit' }, usage: { in: 7, usd: 0.1 } })).toEqual([
      { kind: 'progress', tool: true, activity: 'edit' },
      { kind: 'usage', total: true, inputTokens: 7, costUsd: 0.1 },
    ]);
    expect(read({ error: { message: 'slow down', code: 429, wait: 5_000 } })).toEqual([
      { kind: 'rate_limited', text: 'slow down', retryAfterMs: 5_000 },
      { kind: 'end', ok: false, text: 'slow down' },
    ]);
    expect(read({ nothing: 1 })).toEqual([]);
    expect(parse('not json', 'stdout')).toBeUndefined();
    expect(parse('warns', 'stderr')).toEqual({ kind: 'life', activity: 'warns' });
    expect(mine.classify?.({ code: 0, lastLines: [] }, [{ kind: 'auth_failed', text: 'no key' }])).toEqual({
      outcome: 'auth_failed',
      reason: 'no key',
    });
  });

  test('whose program is not there is not installed; its name is one among the others', async () => {
    const home = homeWith('agents: { mine: { command: [no-such-program], prompt: stdin } }');
    expect(Object.keys(allAdapters(home))).toContain('mine');
    expect(await checkAgent({ adapter: 'mine' }, { PATH: '/bin' }, home)).toMatchObject({
      kind: 'not_installed',
      problem: expect.stringContaining('no-such-program') as string,
    });
    mkdirSync(join(home, 'bin'));
    script(join(home, 'bin/no-such-program'), 'true');
    expect(await checkAgent({ adapter: 'mine' }, { PATH: join(home, 'bin') }, home)).toBeUndefined();
    expect((await checkAgent({ adapter: 'other' }, {}, home))?.problem).toContain('mine');
  });

  const one = (rest: string): string => `agents: { mine: { command: [mine], prompt: stdin${rest} } }`;
  test.each([
    ['a command without the prompt', 'agents: { mine: { command: [mine], prompt: arg } }', /"\{prompt\}"/],
    [
      'a prompt that would stand in argv all the same',
      'agents: { mine: { command: [mine, "{prompt}"], prompt: stdin } }',
      /only for prompt: arg/,
    ],
    [
      'a placeholder that there is not',
      'agents: { mine: { command: [mine, "{model}"], prompt: stdin } }',
      /there is no \{model\}; there are \{prompt\}/,
    ],
    ['a field that nobody knows', one(', colour: red'), /colour/],
    ['an output that nobody knows', one(', output: xml'), /output/],
    [
      'a resume without a session',
      one(', output: { format: json-lines, fields: { session: id } }, resume: [--last]'),
      /"\{session\}"/,
    ],
    ['a resume of an output that names no session', one(', resume: ["{session}"]'), /output\.fields\.session/],
    ['an MCP file of which the program never hears', one(', mcp: { config: {} }'), /mcpFile/],
    ['the name of a built-in agent', 'agents: { claude: { command: [mine], prompt: stdin } }', /agent claude already/],
    ['a variable with its value', one(', env: ["A=1"]'), /not the name of a variable/],
    ['what is no YAML', 'agents: [', /agents\.yaml/],
  ])('%s is refused, with the place and the reason', async (_what, settings, problem) => {
    const found = await checkAgent({ adapter: 'mine' }, {}, homeWith(settings));
    expect(found?.kind).toBe('bad_options');
    expect(found?.problem).toMatch(problem);
    expect(found?.problem).toContain('agents.yaml');
    // The built-in ones work all the same.
    expect(findAdapter('shell', homeWith(settings))).toBeDefined();
  });
});
