import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Cli, finished, lineOf } from './support/cli.js';
import { processTable } from '../../src/runner/processes/process.js';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const program = at('dist/cli/demo.js');

let cli: Cli;
beforeAll(() => {
  // As its users run it: in a sandbox, where the machine can make one.
  cli = new Cli({ TEMPORAL_CLI_PATH: inject('devServerProgram'), HEARTBEAD_SANDBOX: 'auto' });
});
afterAll(() => cli.end());

/** Command lines of all processes that know this test's state directory. */
const left = (): string[] =>
  processTable()
    .map(({ pid }) => spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim())
    .filter((line) => line.includes(cli.home) && !line.startsWith('ps '));

// The demo works on the history of a checkout; an unpacked archive has none, and the demo says so.
test.runIf(existsSync(at('.git')))(
  'the demo lands its convoy of four, with a conflict reworked, proves it by the origin, and leaves nothing running',
  async () => {
    const { code, stdout, stderr } = await cli.run(['--exit'], { program });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/SIGKILL to the runner \(pid \d+\) and the agent \(pid \d+\)/);
    expect(stdout.match(/git finds it on the origin's main, \d+ commits? came with it/g)).toHaveLength(4);
    expect(stdout.match(/conflicted with what had been merged before: it went back to an agent/g)).toHaveLength(1);
    expect(stdout).toMatch(/attempt 1-\w+: lost \(the one that was killed\)/);
    expect(stdout).toContain('All four beads closed with evidence and merged; the convoy has landed on main.');
    expect(code).toBe(0);
    expect(left()).toEqual([]);
    // Half a minute on a machine of its own; the demo itself gives up after two and a half.
  },
  240_000,
);

test.runIf(existsSync(at('.git')))(
  'a second demo beside a running one is refused; Ctrl-C in the middle ends all agents',
  async () => {
    const first = cli.start([], { program });
    const ended = finished(first);
    await lineOf(first, 'stdout', /agent working/);
    const second = await cli.run(['--exit'], { program });
    expect([second.code, second.stderr]).toEqual([
      4,
      expect.stringMatching(/a demo is already running here \(pid \d+\)\n {2}next: .*HEARTBEAD_HOME/),
    ]);
    first.kill('SIGINT');
    expect((await ended).code).toBe(1);
    expect(left()).toEqual([]);
  },
  240_000,
);

test('an unknown option is usage', async () => {
  expect((await cli.run(['--fast'], { program })).code).toBe(2);
});
