import { execa } from 'execa';
import { expect, test } from 'vitest';
import type { AttemptRecord, BeadView } from '../../src/contract/index.js';
import type { ChaosBead } from '../../src/lab/chaos/bead-watch.js';
import { CommitWatch } from '../../src/lab/chaos/commit-watch.js';
import { endProblems } from '../../src/lab/chaos/checks.js';
import { ChaosOrigin } from '../../src/lab/chaos/origins.js';
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
