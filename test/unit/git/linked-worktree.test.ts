import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createWorktree,
  removeUnusedWorktree,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  worktreeStatus,
} from '../../../src/git/index.js';
import { commit, git, has, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
let mirror = '';
let path = '';
let base = '';

/** As earlier versions made them: a linked worktree of the mirror, its marks in its entry there. */
beforeEach(async () => {
  mirror = await mirrorOf(lab);
  base = (await resolveBase(mirror)).sha;
  path = join(lab.dir, 'worktree');
  await git(mirror, 'worktree', 'add', '--quiet', '-b', branch, path, base);
  await writeFile(join(mirror, 'worktrees', 'worktree', 'heartbead-ready'), '');
});

const save = (): ReturnType<typeof saveWip> => saveWip({ worktree: path, ...ids, push: true, remote: lab.origin });

describe('an attempt that was begun by an earlier version', () => {
  it('goes on to its end: looked at, saved, pushed, and removed with its entry and its branch', async () => {
    const own = await commit(path, { a: '1' });
    await put(path, { b: '1' });
    await git(mirror, 'config', 'core.fsmonitor', `touch ${join(lab.dir, 'marker')}; false`);
    expect(await worktreeStatus(path)).toMatchObject({
      head: own,
      branch,
      entries: [{ kind: 'untracked', path: 'b' }],
    });
    const { checkpoint, pushed } = await save();
    expect(pushed).toBe(true);
    expect(await git(mirror, 'rev-parse', `${checkpoint.sha}^`)).toBe(own);
    const sha = await commit(path, {});
    expect(await pushBranch({ worktree: path, remote: lab.origin, ...ids })).toEqual({ branch, sha });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(sha);
    await mirrorOf(lab);
    expect(await git(path, 'status', '--porcelain')).toBe('');
    expect(await removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids })).toMatchObject({ removed: true });
    expect([await has(path), await has(`${path}.keeper.git`)]).toEqual([false, false]);
    expect(await git(mirror, 'worktree', 'list', '--porcelain')).not.toContain(path);
    expect(await git(mirror, 'for-each-ref', 'refs/heads')).toBe('');
    expect(await has(join(lab.dir, 'marker'))).toBe(false);
  });

  it('is kept while something is not on the remote, and made anew as a repository of its own with its work kept', async () => {
    const own = await commit(path, { a: '1' });
    expect(await removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids })).toMatchObject({ removed: false });
    await createWorktree({ mirror, path, branch, at: base });
    expect(await git(path, 'rev-parse', '--git-common-dir')).toBe('.git');
    expect(await git(mirror, 'for-each-ref', '--format=%(objectname)', 'refs/heartbead-kept')).not.toBe('');
    expect(await git(mirror, 'cat-file', '-t', own)).toBe('commit');
  });

  it('that never had an agent is discarded with its branch', async () => {
    await removeUnusedWorktree({ mirror, path, branch });
    expect(await has(path)).toBe(false);
    expect(await git(mirror, 'for-each-ref', 'refs/heads')).toBe('');
    expect(await git(mirror, 'worktree', 'list', '--porcelain')).not.toContain(path);
  });
});
