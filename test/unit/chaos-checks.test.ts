import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import type { AttemptRecord, BeadView, Outcome } from '../../src/contract/index.js';
import type { ChaosBead } from '../../src/lab/chaos/bead-watch.js';
import { CommitWatch } from '../../src/lab/chaos/commit-watch.js';
import { endProblems, inUse, leftTrees } from '../../src/lab/chaos/checks.js';
import { ChaosOrigin } from '../../src/lab/chaos/origins.js';
import { settled } from '../../src/lab/chaos/settled.js';
import type { WorkerHost } from '../../src/lab/chaos/worker-host.js';
import { makeKeeper, markReady } from '../../src/git/keeper.js';
import { AttemptDir } from '../../src/runner/index.js';
import { scratchFolder } from '../support/scratch.js';

test('a chaos run misses the offer of finished work, also where the next attempt went on from a save of it', async () => {
  const origin = await ChaosOrigin.make(scratchFolder('chaos-checks'), 'origin');
  const sha = (await origin.refs('refs/heads/main')).get('refs/heads/main') ?? '';
  const branch = 'heartbead/b1/2-bbbb';
  await execa('git', ['-C', origin.path, 'update-ref', `refs/heads/${branch}`, sha]);
  const ended = (...attempts: Partial<AttemptRecord>[]): ChaosBead => ({
    id: 'b1',
    repo: 0,
    steps: 0,
    view: { status: 'closed', branch, sha, attempts, used: { agentFailures: 0, reworkRounds: 0 } } as BeadView,
  });
  expect(await endProblems(ended({ id: '2-bbbb', outcome: 'done' }), origin)).toEqual([]);
  expect(
    await endProblems(ended({ id: '1-aaaa', outcome: 'push_refused' }, { id: '2-bbbb', outcome: 'done' }), origin),
  ).toEqual(['b1: what 1-aaaa had finished was refused by the remote, and never offered again']);
});

test('a chaos run takes no snapshot that a tree is made from for a commit of its agent', async () => {
  const home = scratchFolder('chaos-commits');
  const dir = AttemptDir.of(home, 'b1', '2-bbbbbbbb');
  await dir.create();
  await execa('git', ['init', '--quiet', dir.worktree]);
  const git = (...args: string[]) =>
    execa('git', ['-C', dir.worktree, '-c', 'user.name=A', '-c', 'user.email=a@x', ...args]);
  await git('commit', '--quiet', '--allow-empty', '-m', 'A snapshot');
  await makeKeeper(dir.worktree, { vault: home, start: 'a'.repeat(40) });
  const seen = async (): Promise<number> => {
    const stop = new AbortController();
    const watch = new CommitWatch([{ home } as WorkerHost], stop.signal);
    watch.start();
    stop.abort();
    await watch.end();
    return watch.seen.length;
  };
  expect(await seen()).toBe(0);
  await markReady(dir.worktree);
  expect(await seen()).toBe(1);
});

/** A bead as it was last seen. */
const seen = (id: string, view: Partial<BeadView>): ChaosBead => ({ id, repo: 0, steps: 1, view: view as BeadView });

test('a chaos run misses trees of all attempts but the newest of a bead that has not ended, and tells why one is left', async () => {
  const home = scratchFolder('chaos-trees');
  const logFile = join(home, 'worker.log');
  for (const [bead, attempt] of [
    ['open', '1-aaaa1111'],
    ['open', '2-aaaa2222'],
    ['waits', '1-bbbb1111'],
    ['over', '1-cccc1111'],
  ] as const)
    await mkdir(AttemptDir.of(home, bead, attempt).worktree, { recursive: true });
  const used = inUse([
    seen('open', {
      status: 'in_progress',
      attempts: [{ id: '1-aaaa1111' } as AttemptRecord],
      current: { id: '2-aaaa2222' } as BeadView['current'],
    }),
    seen('waits', { status: 'blocked', attempts: [{ id: '1-bbbb1111' } as AttemptRecord] }),
    seen('over', { status: 'closed', attempts: [{ id: '1-cccc1111' } as AttemptRecord] }),
  ]);
  const kept = (reason: string): string => `${JSON.stringify({ attempt: '1-cccc1111', removed: false, reason })}\n`;
  await writeFile(logFile, `${kept('an earlier reason')}${kept('the remote refused it')}{"attempt":"1-cccc1111"}\n`);
  expect((await leftTrees({ home, name: 'host1', logFile }, used)).sort()).toEqual([
    'host1: the worktree of open 1-aaaa1111 is left: its worker has not said why',
    'host1: the worktree of over 1-cccc1111 is left: the remote refused it',
  ]);
});

test('a chaos run ends when all beads that are open wait for somebody who is not there, and not before', async () => {
  const blocked = (outcome: Outcome, reason: string): ChaosBead =>
    seen('b1', { status: 'blocked', reason, attempts: [{ id: '1-aaaa', outcome } as AttemptRecord] });
  const took = async (...open: ChaosBead[]): Promise<'all of it' | 'less'> => {
    const begun = performance.now();
    await settled(() => open, 600, new AbortController().signal, 100);
    return performance.now() - begun < 500 ? 'less' : 'all of it';
  };
  const helpless = blocked('agent_failed', 'five attempts have failed');
  expect(await took()).toBe('less');
  expect(await took(helpless)).toBe('less');
  expect(await took(helpless, seen('b2', { status: 'in_progress', attempts: [] }))).toBe('all of it');
  // The operator helps these when their remote is back.
  for (const waits of [
    blocked('push_refused', 'the agent has finished, but its commits could not be pushed: no access'),
    blocked('setup_failed', 'no such repository'),
    blocked('done', 'the merge could not be pushed: the access token has expired'),
  ])
    expect(await took(helpless, waits)).toBe('all of it');
  expect(await took(blocked('done', '3 rounds of rework did not help'))).toBe('less');
});
