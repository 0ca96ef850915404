import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readyWorkspace } from '../../../src/activities/start/ready-workspace.js';
import { copyFiles } from '../../../src/activities/workspace-files.js';
import type { AgentCell, StartAgentInput, Workspace } from '../../../src/contract/index.js';
import type { AttemptDir } from '../../../src/runner/index.js';
import { processAlive } from '../../../src/runner/processes/process.js';
import { scratchFolder, script } from '../../support/scratch.js';

/** A fresh tree in which `.env` and `node_modules` are ignored, and a folder of the host. */
function lab(): {
  tree: string;
  host: string;
  ready: (workspace: Workspace, signal?: AbortSignal, cell?: AgentCell) => Promise<void>;
  said: string[];
  /** A folder that is first on the PATH. */
  programs: string;
} {
  const folder = scratchFolder('workspace ü');
  const [tree, host] = [join(folder, 'tree'), join(folder, 'host')];
  mkdirSync(tree);
  mkdirSync(host);
  const programs = join(folder, 'programs');
  mkdirSync(programs);
  execFileSync('git', ['init', '-q'], { cwd: tree });
  writeFileSync(join(tree, '.gitignore'), '.env\nnode_modules/\nlink/\n');
  writeFileSync(join(host, 'app.env'), 'KEY=1\n');
  const said: string[] = [];
  const ready = (workspace: Workspace, signal = new AbortController().signal, cell?: AgentCell): Promise<void> =>
    readyWorkspace({
      input: { attempt: '1-abcdabcd', agent: { adapter: 'shell', env: ['GIVEN'], cell }, workspace } as StartAgentInput,
      ports: { from: 20_010, count: 5 },
      dir: { home: folder, worktree: tree, setupLog: join(folder, 'setup.log') } as AttemptDir,
      env: {
        PATH: `${programs}:${process.env['PATH'] ?? ''}`,
        GIVEN: 'yes',
        SECRET: 'no',
        HTTPS_PROXY: 'http://proxy:1',
      },
      signal,
      say: (text) => said.push(text),
      warn: (text, error) => {
        throw new Error(text, { cause: error });
      },
    });
  return { tree, host, ready, said, programs };
}
const minute = 60_000;

test('a fresh tree gets its files first, then its steps, which see what the agent sees', async () => {
  const { tree, host, ready, said } = lab();
  await ready({
    copy: [{ from: join(host, 'app.env'), to: '.env' }],
    setup: [
      { command: 'mkdir node_modules && cp .env node_modules/seen', timeout: minute },
      {
        command:
          'echo "$GIVEN ${SECRET-none} $HTTPS_PROXY $HEARTBEAD_ATTEMPT $HEARTBEAD_PORT+$HEARTBEAD_PORT_COUNT" ' +
          '> node_modules/env',
        timeout: minute,
      },
    ],
  });
  expect(readFileSync(join(tree, 'node_modules/seen'), 'utf8')).toBe('KEY=1\n');
  expect(readFileSync(join(tree, 'node_modules/env'), 'utf8')).toBe('yes none http://proxy:1 1-abcdabcd 20010+5\n');
  expect(said[0]).toBe('set-up: mkdir node_modules && cp .env node_modules/seen');
});

test('a step that fails ends the attempt with its last words, and the next one does not run', async () => {
  const { tree, ready } = lab();
  const steps = ['echo no such package >&2; exit 3', 'touch later'].map((command) => ({ command, timeout: minute }));
  await expect(ready({ setup: steps })).rejects.toMatchObject({
    type: 'SetupFailed',
    message: expect.stringMatching(/`echo no such.*ended with exit code 3 .*no such package/) as string,
  });
  expect(existsSync(join(tree, 'later'))).toBe(false);
  expect(readFileSync(join(tree, '../setup.log'), 'utf8')).toContain('no such package');
});

test('a step that hangs is ended with its processes when its time is over', async () => {
  const { tree, ready } = lab();
  await expect(
    ready({ setup: [{ command: 'sleep 600 & echo $! > pid; wait', timeout: 5_000 }] }),
  ).rejects.toMatchObject({
    message: expect.stringContaining('did not end within 5 s') as string,
  });
  const pid = Number(readFileSync(join(tree, 'pid'), 'utf8'));
  expect(processAlive(pid)).toBe(false);
});

test.each([
  ['that is not on this host', { from: '/no/such/file', to: '.env' }, /is not on this host/],
  ['that an agent would commit', { from: 'app.env', to: 'secrets.env' }, /is not ignored by the repository/],
  ['that the repository has', { from: 'app.env', to: '.env' }, /is in the repository already/],
  ['behind a link that leads out of the tree', { from: 'app.env', to: 'link/x' }, /is no folder there but a link/],
])('a file %s is refused, and nothing is written', async (_what, file, words) => {
  const { tree, host, ready } = lab();
  if (file.to === '.env' && file.from === 'app.env') writeFileSync(join(tree, '.env'), 'theirs\n');
  symlinkSync(host, join(tree, 'link'));
  const from = file.from.startsWith('/') ? file.from : join(host, file.from);
  await expect(ready({ copy: [{ ...file, from }] })).rejects.toMatchObject({
    type: 'SetupFailed',
    message: expect.stringMatching(words) as string,
  });
  expect(existsSync(join(host, 'x'))).toBe(false);
});

test('a merged tree may have files that are not ignored: nothing is committed from it', async () => {
  const { tree, host } = lab();
  await copyFiles([{ from: join(host, 'app.env'), to: 'deep/app.env' }], { tree, ignored: false });
  expect(readFileSync(join(tree, 'deep/app.env'), 'utf8')).toBe('KEY=1\n');
});

test('a sandbox that cannot be made any more is its host’s trouble, and no failure of the step', async () => {
  const { ready, programs } = lab();
  // It makes a sandbox for whoever tries whether it can, and none afterwards.
  script(
    join(programs, 'bwrap'),
    'for last; do :; done; [ "$last" = true ] && exit; echo "bwrap: setting up uid map: Permission denied" >&2; exit 1',
  );
  await expect(ready({ setup: [{ command: 'echo never', timeout: minute }] }, undefined, 'sandbox')).rejects.toThrow(
    /could not be begun in its sandbox: its cell: setting up uid map: Permission denied/,
  );
});
