import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
const one = (rest: string): string => `agents: { mine: { command: [mine], prompt: stdin${rest} } }`;
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
      fields:
        session: id
        text: message.parts.0.text
        tool: call.name
        inputTokens: usage.in
        costUsd: usage.usd
        error: error.message
        status: error.code
        retryAfterMs: error.wait
`,
    );
    const parse = mine.parser();
    const read = (line: object): unknown => parse(JSON.stringify(line), 'stdout');
    expect(read({ id: 's', message: { parts: [{ text: 'hello' }] } })).toEqual([
      { kind: 'session', id: 's' },
      { kind: 'progress', activity: 'hello' },
      { kind: 'said', text: 'hello' },
    ]);
    expect(read({ call: { name: 'edit' }, usage: { in: 7, usd: 0.1 } })).toEqual([
      { kind: 'progress', tool: true, activity: 'edit' },
      { kind: 'usage', total: true, inputTokens: 7, costUsd: 0.1 },
    ]);
    expect(read({ error: { message: 'slow down', code: 429, wait: 5_000 } })).toEqual([
      { kind: 'rate_limited', text: 'slow down', retryAfterMs: 5_000 },
      { kind: 'end', ok: false, text: 'slow down' },
    ]);
    expect(read({ nothing: 1 })).toEqual([{ kind: 'life', activity: '{"nothing":1}' }]);
    expect(parse('not json', 'stdout')).toBeUndefined();
    expect(parse('warns', 'stderr')).toEqual({ kind: 'life', activity: 'warns' });
    expect(mine.classify?.({ code: 0, lastLines: [] }, [{ kind: 'auth_failed', text: 'no key' }])).toEqual({
      outcome: 'auth_failed',
      reason: 'no key',
    });
  });

  const lines = (fields: string): ((line: object) => unknown) => {
    const parse = agent('mine', one(`, output: { format: json-lines, fields: ${fields} }`)).parser();
    return (line) => parse(JSON.stringify(line), 'stdout');
  };
  test('gets on with every line when its output has neither words nor tools to look for', () => {
    expect(lines('{ session: sid }')({ n: 1 })).toEqual([{ kind: 'progress', activity: '{"n":1}' }]);
    expect(lines('{ text: t }')({ n: 1 })).toEqual([{ kind: 'life', activity: '{"n":1}' }]);
  });
  test('has an error also where it is an object, only a status, or marked by another field', () => {
    expect(lines('{ error: e, status: e.code, retryAfterMs: e.wait }')({ e: { code: 429, wait: 30_000 } })).toEqual([
      { kind: 'rate_limited', text: '{"code":429,"wait":30000}', retryAfterMs: 30_000 },
      { kind: 'end', ok: false, text: '{"code":429,"wait":30000}' },
    ]);
    expect(lines('{ status: code }')({ code: 401 })).toMatchObject([{ kind: 'auth_failed' }, { kind: 'end' }]);
    const marked = lines('{ error: result, errorIf: is_error }');
    expect(marked({ result: 'all 401 tests pass', is_error: false })).toMatchObject([{ kind: 'progress' }]);
    expect(marked({ result: 'API Error: 401', is_error: true })).toMatchObject([
      { kind: 'auth_failed' },
      { kind: 'end' },
    ]);
  });
  test('counts the turns that it tells', () => {
    const parse = agent(
      'mine',
      one(', output: { format: json-lines, usage: total, fields: { inputTokens: in, turns: n } }'),
    ).parser();
    expect(parse('{"in":5,"n":4}', 'stdout')).toEqual([{ kind: 'usage', total: true, inputTokens: 5, turns: 4 }]);
  });
  test('names what its provider’s refusals look like, in any format and on stderr: they are no progress', () => {
    const settings = one(
      ', refusals: [{ match: "HTTP 429", as: rate_limited }, { match: "[[]API Error: 401", as: auth_failed }, ' +
        '{ match: "top up", as: out_of_credit }]',
    );
    const parse = agent('mine', settings).parser();
    expect(parse('HTTP 429 Too Many Requests, try again in 40s', 'stderr')).toEqual({
      kind: 'rate_limited',
      text: 'HTTP 429 Too Many Requests, try again in 40s',
      retryAfterMs: 40_000,
    });
    expect(parse('[API Error: 401 bad key]', 'stdout')).toEqual({
      kind: 'auth_failed',
      text: '[API Error: 401 bad key]',
    });
    expect(parse('please TOP UP', 'stdout')).toEqual({ kind: 'out_of_credit', text: 'please TOP UP' });
    // What the program says of it is no progress; whoever gets on says more than that.
    const after = Array.from({ length: 10 }, (_, n) => parse(`retrying, ${n}`, n % 2 === 0 ? 'stdout' : 'stderr'));
    expect(after.map((event) => (event as { kind: string }).kind)).toEqual([
      ...Array.from({ length: 8 }, () => 'life'),
      'progress',
      'progress',
    ]);
  });
  test('has placeholders in its variables', async () => {
    const given = context();
    const mine = agent('mine', one(', set: { A_DIR: "{folder}/state" }'));
    expect((await mine.command(given)).env).toEqual({ A_DIR: `${given.folder}/state` });
  });
  test('described by an empty file is none, and nothing is wrong', () => {
    expect(Object.keys(allAdapters(homeWith('# nothing yet\n')))).toContain('shell');
  });

  describe('that cannot call back', () => {
    /** Runs the command of such an agent in a repository; @returns its status and what was reported. */
    async function run(
      onExit: string,
      program: string,
    ): Promise<{ status: number | null; said: string; head: string }> {
      const folder = scratchFolder('on-exit');
      const git = (...args: string[]): string =>
        execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: folder, encoding: 'utf8' });
      git('init', '-q');
      git('commit', '-q', '--allow-empty', '-m', 'begin');
      const said = join(scratchFolder('said'), 'said');
      const heartbead = script(join(scratchFolder('shim'), 'heartbead'), `echo "$@" >> ${said}`);
      const path = script(join(scratchFolder('program'), 'mine'), program);
      const mine = agent('mine', `agents: { mine: { command: [${path}, "a b"], prompt: stdin, onExit: ${onExit} } }`);
      const { file, args } = await mine.command(context({ heartbead, bead: 'b-1' }));
      const env = {
        ...process.env,
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@b',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@b',
      };
      const { status } = spawnSync(file, args, { cwd: folder, env });
      return {
        status,
        said: existsSync(said) ? readFileSync(said, 'utf8') : '',
        head: git('log', '-1', '--format=%s'),
      };
    }
    test('reports by its end with status 0, after what it changed is committed', async () => {
      expect(await run('commit and report', 'echo "$1" > f')).toEqual({
        status: 0,
        said: 'agent done Work on b-1\n',
        head: 'Work on b-1\n',
      });
    });
    test('commits by itself where it can', async () => {
      expect(await run('report', 'true')).toEqual({ status: 0, said: 'agent done Work on b-1\n', head: 'begin\n' });
    });
    test('reports nothing when it fails, and keeps its status', async () => {
      expect(await run('commit and report', 'echo x > f; exit 3')).toEqual({ status: 3, said: '', head: 'begin\n' });
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
    ['a tab where YAML has none', 'agents:\n\tmine: {}\n', /agents\.yaml:\d+: Tabs are not allowed as indentation$/],
    ['a field that nobody knows', one(', colour: red'), /colour/],
    ['an output that nobody knows', one(', output: xml'), /output/],
    [
      'a resume without a session',
      one(', output: { format: json-lines, fields: { session: id } }, resume: [--last]'),
      /"\{session\}"/,
    ],
    ['a resume of an output that names no session', one(', resume: ["{session}"]'), /output\.fields\.session/],
    [
      'an MCP file with a placeholder that there is not',
      one(', mcp: { config: { a: [{ b: "{sockt}" }] }, args: ["{mcpFile}"] }'),
      /there is no \{sockt\}/,
    ],
    ['a variable with a placeholder that there is not', one(', set: { A: "{foldr}" }'), /there is no \{foldr\}/],
    [
      'a refusal that is no regular expression',
      one(', refusals: [{ match: "(", as: auth_failed }]'),
      /regular expression/,
    ],
    ['an MCP file of which the program never hears', one(', mcp: { config: {} }'), /mcpFile/],
    ['the name of a built-in agent', 'agents: { claude: { command: [mine], prompt: stdin } }', /agent claude already/],
    ['a variable with its value', one(', env: ["A=1"]'), /not the name of a variable/],
    ['what is no YAML', 'agents: [', /agents\.yaml/],
  ])('%s is refused, with the place and the reason', async (_what, settings, problem) => {
    const found = await checkAgent({ adapter: 'mine' }, {}, homeWith(settings));
    expect(found?.kind).toBe('not_here');
    expect(found?.problem).toMatch(problem);
    expect(found?.problem).toContain('agents.yaml');
    // The built-in ones work all the same.
    expect(findAdapter('shell', homeWith(settings))).toBeDefined();
  });
});
