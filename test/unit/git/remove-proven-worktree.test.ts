import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createWorktree, pushBranch, removeProvenWorktree, resolveBase, saveWip } from '../../../src/git/index.js';
import { commit, commitToOrigin, git, has, mirrorOf, put, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
let mirror = '';
let path = '';
let base = '';

beforeEach(async () => {
  mirror = await mirrorOf(lab);
  base = (await resolveBase(mirror)).sha;
  path = join(lab.dir, 'w');
  await createWorktree({ mirror, path, branch, at: base });
});

const save = (push = true): ReturnType<typeof saveWip> => saveWip({ worktree: path, ...ids, push, remote: lab.origin });
const remove = (): ReturnType<typeof removeProvenWorktree> =>
  removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids });
const localRefs = async (): Promise<string[]> =>
  (await git(mirror, 'for-each-ref', '--format=%(refname)'))
    .split('\n')
    .filter((ref) => !ref.startsWith('refs/remotes/'));

async function expectRemoved(reason: RegExp): Promise<void> {
  expect(await remove()).toEqual({ removed: true, reason: expect.stringMatching(reason) as string });
  expect(await has(path)).toBe(false);
  expect(await has(`${path}.keeper.git`)).toBe(false);
}
async function expectKept(reason: RegExp, unpushed?: true): Promise<void> {
  const before = await readdir(path, { recursive: true });
  expect(await remove()).toEqual({ removed: false, reason: expect.stringMatching(reason) as string, unpushed });
  expect(await readdir(path, { recursive: true })).toEqual(before);
}

describe('a worktree is removed', () => {
  it('when nothing was done in it, with its branch', async () => {
    await expectRemoved(/no uncommitted work/);
    expect(await localRefs()).toEqual([]);
  });

  it('when its commits were pushed to the branch of the attempt', async () => {
    await commit(path, { a: '1' });
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
    await expectRemoved(/last commit is on the remote/);
  });

  it('when commits and uncommitted work are in the pushed save', async () => {
    await commit(path, { a: '1' });
    await put(path, { b: '2', 'README.md': undefined });
    await save();
    await expectRemoved(/uncommitted work are on the remote/);
    expect(await localRefs()).toEqual([]);
  });

  it('when its rig keeps saves on the host, and all of it is saved there; the save stays', async () => {
    await commit(path, { a: '1' });
    await put(path, { b: '2' });
    const { checkpoint } = await save(false);
    expect(await remove()).toMatchObject({ removed: false });
    expect(await removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids, savedHere: true })).toMatchObject({
      removed: true,
    });
    expect(await git(mirror, 'rev-parse', checkpoint.ref)).toBe(checkpoint.sha);
  });

  it('when somebody has merged it and removed its branch, though the mirror has not seen that yet', async () => {
    await commit(path, { a: '1' });
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
    await commitToOrigin(lab, 'main', { m: '1' });
    await git(lab.seed, 'fetch', '--quiet', 'origin');
    await git(lab.seed, 'merge', '--quiet', '--no-edit', `origin/${branch}`);
    await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:main', `:${branch}`);
    await expectRemoved(/last commit is on the remote/);
  });

  it('with ignored files, in folders that were made read-only, and with the branch that the agent had made itself', async () => {
    await git(path, 'checkout', '--quiet', '-b', 'feature');
    await commit(path, { '.gitignore': 'cache/\n' });
    await put(path, { 'cache/mod/file': 'x' });
    await chmod(join(path, 'cache/mod'), 0o500);
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
    await expectRemoved(/last commit is on the remote/);
    expect(await localRefs()).toEqual([]);
  });

  it('when it is gone already, when it was never completed, and when an earlier removal was cut off', async () => {
    await rm(path, { recursive: true });
    await expectRemoved(/nothing left/);
    expect(await remove()).toMatchObject({ removed: true });

    await createWorktree({ mirror, path, branch, at: base });
    await rm(`${path}.keeper.git/heartbead-ready`);
    await rm(join(path, '.git'), { recursive: true });
    await expectRemoved(/never completed/);

    await createWorktree({ mirror, path, branch, at: base });
    await writeFile(`${path}.keeper.git/heartbead-removing`, '');
    await rm(join(path, '.git'), { recursive: true });
    await expectRemoved(/proven .* before/);
  });
});

describe('a worktree is kept, with the reason', () => {
  it('when it has a commit that the remote has not', async () => {
    const own = await commit(path, { a: '1' });
    await save(false);
    await expectKept(new RegExp(`${own} is on no branch`), true);
  });

  it('when the save on the remote is older than the work', async () => {
    await put(path, { a: '1' });
    await save();
    await put(path, { a: '2' });
    await save(false);
    await expectKept(/uncommitted work that is not at refs\/heartbead\/a\/1-abcd\/wip/, true);
  });

  it('when somebody has removed the branch or the save from the remote, whatever we remember', async () => {
    await commit(path, { a: '1' });
    await put(path, { b: '1' });
    expect(await save()).toMatchObject({ pushed: true });
    await git(lab.origin, 'update-ref', '-d', 'refs/heartbead/a/1-abcd/wip');
    await expectKept(/is on no branch/, true);
  });

  it('when a repository within has work of its own', async () => {
    const inner = join(path, 'inner');
    await git(lab.dir, 'clone', '--quiet', lab.origin, inner);
    await save();
    const own = await commit(inner, { i: '1' });
    await save();
    await expectKept(/inner within has commits that are on no remote/);
    await git(inner, 'push', '--quiet', 'origin', 'HEAD:refs/heads/inner');
    await put(inner, { i: '2' });
    await expectKept(/inner within has uncommitted work/);
    await git(inner, 'checkout', '--quiet', '.');
    expect(await git(inner, 'rev-parse', 'HEAD')).toBe(own);
    await expectRemoved(/uncommitted work are on the remote/);
  });

  it('when a repository within has not even a commit', async () => {
    await git(path, 'init', '--quiet', 'inner');
    await put(path, { 'inner/f': '1' });
    await save();
    await expectKept(/cannot be saved .*inner/);
  });

  it('when its .git was removed or replaced', async () => {
    await put(path, { precious: '1' });
    await rename(join(path, '.git'), join(lab.dir, 'dotgit'));
    await expectKept(/no longer a worktree/);
    await symlink(join(lab.dir, 'dotgit'), join(path, '.git'));
    await expectKept(/no longer a worktree/);
  });

  it('when its keeper or the whole mirror is gone', async () => {
    await put(path, { precious: '1' });
    await rename(`${path}.keeper.git`, join(lab.dir, 'keeper'));
    await expectKept(/no longer a worktree/);
    await rename(mirror, join(lab.dir, 'away'));
    await expectKept(/mirror .* is gone/);
  });

  it('when the remote cannot be asked: an error, and nothing removed', async () => {
    await rename(lab.origin, `${lab.origin}.away`);
    await expect(remove()).rejects.toMatchObject({ kind: 'not_found' });
    expect(await has(path)).toBe(true);
  });

  it('when git fails at finding out: exit code 128 is no proof', async () => {
    // HEAD can be read, but not the way from it to what the remote has.
    const lost = await commit(path, { a: '1' });
    await commit(path, { a: '2' });
    const object = join(path, '.git', 'objects', lost.slice(0, 2), lost.slice(2));
    await chmod(object, 0o600);
    await writeFile(object, 'garbage');
    await expect(remove()).rejects.toMatchObject({ name: 'GitError' });
    expect(await has(path)).toBe(true);
  });
});

describe('what stays after a removal', () => {
  const keptRefs = 'refs/heartbead-kept/a/1-abcd';

  it('is every local branch and save that only this host has', async () => {
    const forgotten = await commit(path, { a: '1' });
    await git(path, 'branch', 'forgotten');
    await git(path, 'reset', '--quiet', '--hard', base);
    await put(path, { 'README.md': 'stashed\n' });
    await git(path, 'stash', '--quiet');
    const stash = await git(path, 'rev-parse', 'stash');
    await put(path, { b: '1' });
    const { checkpoint } = await save(false);
    await git(path, 'reset', '--quiet', '--hard', base);
    await rm(join(path, 'b'), { force: true });
    await expectRemoved(/no uncommitted work/);
    expect(await git(mirror, 'rev-parse', `${keptRefs}/heads/forgotten`)).toBe(forgotten);
    expect(await git(mirror, 'rev-parse', `${keptRefs}/stash`)).toBe(stash);
    expect(await git(mirror, 'rev-parse', checkpoint.ref)).toBe(checkpoint.sha);
    await mkdir(join(lab.dir, 'next'));
    await commitToOrigin(lab, 'main', { z: '1' });
    await mirrorOf(lab);
    expect(await git(mirror, 'rev-parse', `${keptRefs}/heads/forgotten`)).toBe(forgotten);
  });
});
