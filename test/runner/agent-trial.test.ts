import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findAdapter, Logins } from '../../src/agents/index.js';
import { tryAgent } from '../../src/runner/agent/agent-trial.js';
import type { TrialRun } from '../../src/runner/agent/agent-trial.js';
import { Cli } from '../cli/support/cli.js';
import { scratchFolder } from '../support/scratch.js';

/** An entry of agents.yaml, as JSON, which is YAML as well. */
const sh = (script: string, more: object = {}): object => ({
  command: ['sh', '-c', `cat >/dev/null; ${script}`, 'agent'],
  prompt: 'stdin',
  ...more,
});
const work = 'echo hello >hello.txt; git add . && git commit -qm hello';
const fields = { session: 'sid', text: 'say', inputTokens: 'in', error: 'error', status: 'code' };
const output = { format: 'json-lines', fields };

async function tried(entry: object, timeout = 60_000): Promise<TrialRun[]> {
  const home = scratchFolder('trial');
  writeFileSync(join(home, 'agents.yaml'), JSON.stringify({ agents: { mine: entry } }));
  const adapter = findAdapter('mine', home);
  if (adapter === undefined) throw new Error('the entry describes no agent');
  const folder = join(home, 'trial');
  mkdirSync(folder);
  const cell = { launcher: 'none', network: 'all', read: [], write: [] } as const;
  const spec = { adapter: 'mine' };
  return tryAgent({ scratch: folder, adapter, spec, title: 'Say hello', body: 'Do.', cell, timeout });
}

describe('an entry of the settings file that is tried', () => {
  test('works: what its lines were, its conversation, tokens, calls and commits; and the second run goes on', async () => {
    const line = `{"sid":"s-1","say":"hi","in":7}`;
    const said = `echo '${line}'; echo trouble >&2; echo "$1"; ${work}; heartbead agent done ok`;
    const runs = await tried(sh(said, { output, resume: ['--resume', '{session}'] }));
    expect(runs.map(({ outcome, resumed }) => [outcome, resumed])).toEqual([
      ['done', false],
      ['done', true],
    ]);
    expect(runs[0]).toMatchObject({
      session: 's-1',
      usage: { inputTokens: 7, turns: 1 },
      calls: { done: 1 },
      summary: 'ok',
      commits: 1,
      left: [],
      stdout: { events: { progress: 1, session: 1, usage: 1 } },
      stderr: { lines: 1, events: { life: 1 } },
    });
    expect(runs[1]?.stdout.samples.nothing).toContain('--resume');
  });

  test('a conversation that cannot go on is seen by the second run', async () => {
    const said = `echo '{"sid":"s-1"}'; [ "$1" != --resume ] || exit 1; ${work}; heartbead agent done ok`;
    const runs = await tried(sh(said, { output, resume: ['--resume', '{session}'] }));
    expect(runs.map(({ outcome }) => outcome)).toEqual(['done', 'agent_failed']);
  });

  test('says what an attempt would say: a refusal, no report, a failure, no end', async () => {
    const [refused, unreported, failed, endless] = await Promise.all([
      tried(sh(`echo '{"error":"no such key","code":401}'; exit 1`, { output })),
      tried(sh('echo x >left.txt; sleep 600 & exit 0')),
      tried(sh('exit 3')),
      tried(sh('sleep 600'), 3_000),
    ]);
    expect(refused[0]).toMatchObject({ outcome: 'auth_failed', refusals: [{ kind: 'auth_failed' }] });
    expect(unreported[0]).toMatchObject({ outcome: 'unreported', left: ['left.txt'], leftProcesses: 1, commits: 0 });
    expect(failed[0]).toMatchObject({ outcome: 'agent_failed', exit: { code: 3 } });
    expect(endless[0]).toMatchObject({ outcome: 'timed_out' });
  });

  test('`done` with uncommitted work is refused, as in an attempt', async () => {
    const [run] = await tried(sh('echo x >left.txt; heartbead agent done ok || exit 0'));
    expect(run).toMatchObject({ outcome: 'unreported', calls: { done: 1 }, left: ['left.txt'] });
  });
});

test('heartbead agent-test: a page and JSON, 0 when it works, 1 when not, 2 for an agent that there is not; no server', async () => {
  const cli = new Cli({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
  onTestFinished(() => cli.end());
  const agents = { good: sh(work, { onExit: 'commit and report' }), mute: sh('true', { output }) };
  writeFileSync(join(cli.home, 'agents.yaml'), JSON.stringify({ agents }));
  const good = await cli.run(['agent-test', 'good', '--json']);
  expect([good.code, JSON.parse(good.stdout)]).toMatchObject([
    0,
    { agent: 'good', fine: true, runs: [{ commits: 1 }] },
  ]);
  const mute = await cli.run(['agent-test', 'mute']);
  expect([mute.code, mute.stdout]).toEqual([1, expect.stringMatching(/does not close a bead[\s\S]*unreported/)]);
  expect((await cli.run(['agent-test', 'nosuch'])).code).toBe(2);
});

test('heartbead agent-test --account: with the login of that account alone, and the host hears when it works again', async () => {
  const cli = new Cli({ TEMPORAL_ADDRESS: '127.0.0.1:1', KEY_OF_TWO: 'second', KEY_OF_NONE: '' });
  onTestFinished(() => cli.end());
  const program = sh(
    `[ "$KEY" = second ] || { echo '{"error":"no such key","code":401}'; exit 1; }; [ -z "$OTHER" ] || exit 9; ${work}`,
    { output, onExit: 'commit and report' },
  );
  const accounts = {
    keyed: [
      { name: 'one', set: { KEY: 'first', OTHER: 'x' } },
      { name: 'two', env: { KEY: 'KEY_OF_TWO' } },
      { name: 'none', env: { KEY: 'KEY_OF_NONE' } },
    ],
  };
  writeFileSync(join(cli.home, 'agents.yaml'), JSON.stringify({ agents: { keyed: program }, accounts }));
  const logins = new Logins(cli.home);
  for (const account of ['one', 'two'])
    logins.refuse({ agent: 'keyed', account, cause: 'auth_failed', reason: '401' }, { began: Date.now() - 1 });
  const one = await cli.run(['agent-test', 'keyed', '--account', 'one', '--json']);
  expect([one.code, JSON.parse(one.stdout)]).toMatchObject([1, { account: 'one', runs: [{ outcome: 'auth_failed' }] }]);
  expect(logins.all().map(({ account }) => account)).toEqual(['one', 'two']);
  const two = await cli.run(['agent-test', 'keyed', '--account', 'two', '--json']);
  expect([two.code, JSON.parse(two.stdout)]).toMatchObject([0, { account: 'two', fine: true }]);
  expect(logins.all().map(({ account }) => account)).toEqual(['one']);
  expect(await cli.run(['agent-test', 'keyed', '--account', 'three'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/no account "three".*one, two, none/s) as string,
  });
  expect(await cli.run(['agent-test', 'keyed', '--account', 'none'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/takes its secret from KEY_OF_NONE, which is not set/) as string,
  });
});
