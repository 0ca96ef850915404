import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Saves } from '../../../src/contract/index.js';
import { createWorktree, resolveBase } from '../../../src/git/index.js';
import { systemTime } from '../../../src/runner/time.js';
import { saveLast } from '../../../src/runner/end/save-last.js';
import { WorkKeeper } from '../../../src/runner/end/work-keeper.js';
import { git, mirrorOf, put, remoteSha, useLab } from '../git/lab.js';

const lab = useLab();
const ref = 'refs/heartbead/a/1-abcd/wip';

it('saves that a rig wants on the host do not leave it, and nobody waits for the remote', async () => {
  const mirror = await mirrorOf(lab);
  const { sha: baseSha } = await resolveBase(mirror);
  const worktree = join(lab.dir, 'w');
  await createWorktree({ mirror, path: worktree, branch: 'heartbead/a/1-abcd', at: baseSha });
  await put(worktree, { 'a.txt': '1\n' });
  const keeperWith = (saves: Saves | undefined): WorkKeeper =>
    new WorkKeeper(
      { bead: 'a', attempt: '1-abcd', worktree, remote: lab.origin, baseSha, rootSha: baseSha, saves },
      {
        record: () => Promise.resolve(),
        changed: () => undefined,
        kept: () => Promise.resolve(),
        trouble: (what, error) => expect.fail(`${what}: ${String(error)}`),
      },
    );
  const keeper = keeperWith({ policy: 'host' });
  const save = vi.spyOn(keeper, 'save');
  await saveLast(keeper, systemTime);
  expect(save).toHaveBeenCalledTimes(1);
  expect(await save.mock.results[0]?.value).toMatchObject({ pushed: false, checkpoint: { ref, wip: true } });
  expect(keeper).toMatchObject({ pushProblem: undefined, checkpoint: undefined });
  expect(await git(mirror, 'show', `${ref}:a.txt`)).toBe('1');
  expect(await remoteSha(lab, ref)).toBe('');

  expect(await keeperWith(undefined).save()).toMatchObject({ pushed: true });
  expect(await remoteSha(lab, ref)).toBe(await git(mirror, 'rev-parse', ref));
});
