import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { BeadClient } from '../../src/client/index.js';
import type { BeadView } from '../../src/contract/index.js';
import type { Problem } from '../../src/domain/telling/problems.js';
import { until } from '../support/until.js';
import { Cli } from './support/cli.js';
import { Repository } from './support/repository.js';

/** Remotes as companies and forges have them, and agents that push by themselves: a town against each. */
let cli: Cli;
let repository: Repository;
let folder: string;
let connection: Connection;
let client: Client;
const mark = randomBytes(4).toString('hex');

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  const taskQueue = `refusing-${mark}`;
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: taskQueue });
  repository = new Repository();
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
  folder = mkdtempSync(join(tmpdir(), 'heartbead-refusing-'));
  const { code, stderr } = await cli.run(['up', '--max-agents', '4']);
  expect(code, stderr).toBe(0);
}, 120_000);
afterAll(async () => {
  await cli.run(['down']);
  await cli.end();
  await connection.close();
  repository.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** A bare remote with one commit, and a hook of its own. */
function remote(name: string, hook?: { name: 'pre-receive' | 'update'; script: string }): string {
  const path = join(folder, `${name}-${randomBytes(3).toString('hex')}.git`);
  execFileSync('git', ['clone', '--quiet', '--bare', repository.path, path]);
  if (hook !== undefined) setHook(path, hook.name, hook.script);
  return path;
}
function setHook(path: string, name: string, script: string): void {
  writeFileSync(join(path, 'hooks', name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, 'hooks', name), 0o755);
}
const git = (path: string, ...args: string[]): string =>
  execFileSync('git', ['-C', path, ...args], { encoding: 'utf8' }).trim();
const commit = (file: string): string =>
  `echo ${file} > ${file}; git add ${file}; git -c user.name=A -c user.email=a@localhost commit -qm ${file}`;
/** Slings a bead with a shell agent that first writes down how many commits it finds. */
async function sling(
  repo: string,
  command: string,
  ...more: string[]
): Promise<{ bead: string; seen: () => string[] }> {
  const log = join(folder, `seen-${randomBytes(4).toString('hex')}`);
  const { bead } = await cli.json<{ bead: string }>([
    'sling',
    'a test',
    '--repo',
    repo,
    '--command',
    `git rev-list --count HEAD >> ${log}; ${command}`,
    ...more,
  ]);
  return {
    bead,
    seen: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}
const view = (bead: string): Promise<BeadView> => new BeadClient({ client }).view(bead);
const comesTo = (bead: string, status: BeadView['status']): Promise<BeadView> =>
  until(
    `${bead} to be ${status}`,
    async () => {
      const found = await view(bead);
      if (found.status === status) return found;
      throw new Error(`${found.status}: ${found.reason}`);
    },
    150_000,
  );

describe('work that is not on the remote by its runner', () => {
  test('half work that an agent pushed before it died closes nothing: the next attempt goes on from it', async () => {
    const repo = remote('half');
    const half = 'git push -q "$(git config remote.origin.url)" HEAD:refs/heads/$(git branch --show-current)';
    const { bead, seen } = await sling(
      repo,
      `[ -e half ] || { ${commit('half')}; ${half}; kill -9 $$; }; ${commit('whole')}; heartbead agent done`,
    );
    const { attempts } = await comesTo(bead, 'closed');
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'done']);
    expect(seen()).toEqual(['1', '2']);
  });
});

describe('a remote that refuses the push', () => {
  test('finished work is not done again: it blocks with the words of the remote, and a retry pushes it', async () => {
    const script = '[ ! -e refuse ] || { echo "the licence of lib.c is not allowed" >&2; exit 1; }';
    const repo = remote('deny', { name: 'pre-receive', script });
    writeFileSync(join(repo, 'refuse'), '');
    const { bead, seen } = await sling(repo, `${commit('work')}; heartbead agent done`);
    const blocked = await comesTo(bead, 'blocked');
    expect(blocked.reason).toContain('the licence of lib.c is not allowed');
    expect(blocked.used).toMatchObject({ agentFailures: 0, infraLosses: 0 });
    rmSync(join(repo, 'refuse'));
    const { code, stdout } = await cli.run(['retry', bead]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/the finished commits on .* are pushed first/)]);
    const closed = await comesTo(bead, 'closed');
    expect(closed.attemptCount).toBe(1);
    expect(seen()).toEqual(['1']);
    expect(git(repo, 'rev-parse', closed.branch ?? '')).toBe(closed.sha);
  });

  test('a next attempt on the host goes on from commits that never got to the remote', async () => {
    const repo = remote('advice', { name: 'pre-receive', script: 'echo "no ticket" >&2; exit 1' });
    const { bead, seen } = await sling(repo, `${commit('work$$')}; heartbead agent done`);
    await comesTo(bead, 'blocked');
    expect((await cli.run(['retry', bead, '--now'])).code).toBe(0);
    await until('a second attempt', async () => (await view(bead)).attemptCount === 2, 60_000);
    await comesTo(bead, 'blocked');
    expect(seen()).toEqual(['1', '2']);
  });

  test('saves that it does not take are used on their host, and problems says so', async () => {
    const script = 'case $1 in refs/heartbead/*) echo "only branches here" >&2; exit 1;; esac';
    const repo = remote('branches', { name: 'update', script });
    const go = join(folder, 'go');
    const wait = `while [ ! -e ${go} ]; do heartbead agent heartbeat waits; sleep 0.3; done`;
    const { bead, seen } = await sling(
      repo,
      `[ -e one ] || { ${commit('one')}; echo two > two; heartbead agent checkpoint; ${wait}; kill -9 $$; }; ` +
        `${commit('three')}; git add -A; heartbead agent done || { git -c user.name=A -c user.email=a@localhost ` +
        'commit -qam two; heartbead agent done; }',
      '--clock',
      'signalEvery=2s',
    );
    const problem = await until(
      'the problem',
      async () => {
        const { problems } = await cli.json<{ problems: Problem[] }>(['problems']);
        return problems.find(({ kind, about }) => kind === 'saves-stay' && about === bead);
      },
      90_000,
    );
    expect(problem?.why).toContain('only branches here');
    writeFileSync(go, '');
    const closed = await comesTo(bead, 'closed');
    expect(seen()).toEqual(['1', '2']);
    expect(git(repo, 'ls-tree', '--name-only', closed.sha ?? '')).toMatch(/one\nthree\ntwo/);
  });

  test('a branch called heartbead is found before an agent is started', async () => {
    const repo = remote('prefix');
    git(repo, 'branch', 'heartbead', 'main');
    const { bead, seen } = await sling(repo, `${commit('work')}; heartbead agent done`);
    const blocked = await comesTo(bead, 'blocked');
    expect(blocked.reason).toMatch(/the remote has a branch heartbead, .*rename or delete that branch/);
    expect(blocked.attempts.map(({ outcome }) => outcome)).toEqual(['setup_failed']);
    expect(seen()).toEqual([]);
  });
});
