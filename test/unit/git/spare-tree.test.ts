import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import {
  createWorktree,
  exists,
  lookOverSpareTree,
  makeSpareTree,
  repositoryConfiguration,
  resolveBase,
  updateMirror,
  worktreeStatus,
} from '../../../src/git/index.js';
import type { SpareLook, SpareTree } from '../../../src/git/index.js';
import { commit, commitToOrigin, git, has, mirrorOf, put, useLab } from './lab.js';

const lab = useLab();
const going = new AbortController().signal;
let mirror = '';
let spare: SpareTree;
let made = 0;

beforeEach(async () => {
  await put(lab.seed, { 'run.sh': '#!/bin/sh\n', 'src/deep/a': 'a\n', 'src/deep/b': 'b\n', gone: 'soon\n' });
  await chmod(join(lab.seed, 'run.sh'), 0o755);
  await symlink('src/deep/a', join(lab.seed, 'link'));
  await commit(lab.seed, { 'only/here': 'x\n' });
  await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:main');
  mirror = await mirrorOf(lab);
  spare = { mirror, at: (await resolveBase(mirror)).sha, path: join(lab.dir, 'spare', 'one') };
});

/** The remote's main branch moves. @returns its commit, which the mirror has. */
async function moved(files: Record<string, string | undefined>): Promise<string> {
  const sha = await commitToOrigin(lab, 'main', files);
  await updateMirror({ root: lab.root, repo: lab.origin });
  return sha;
}

async function worktree(at: string, more: { spare?: SpareTree; wip?: boolean } = {}): Promise<string> {
  const path = join(lab.dir, 'attempts', `${(made += 1)}`, 'worktree');
  await createWorktree({ mirror, path, branch: `heartbead/a/${made}-abcd`, at, ...more });
  return path;
}

async function lookedOver(stop = false): Promise<SpareLook> {
  const onTrouble = (error: unknown): void => expect(error).toBeUndefined();
  const configuration = await repositoryConfiguration(mirror);
  const look = lookOverSpareTree(spare, { configuration, signal: going, onTrouble });
  if (stop) look.stop();
  await look.over;
  return look;
}

/** All that a program finds in a tree, `.git` aside. */
async function contents(tree: string): Promise<string[]> {
  const names = (await readdir(tree, { recursive: true })).filter((name) => name !== '.git' && !/^\.git\//.test(name));
  const told = names.map(async (name) => {
    const path = join(tree, name);
    const stat = await lstat(path);
    const what = stat.isSymbolicLink() ? await readlink(path) : stat.isFile() ? await readFile(path, 'utf8') : 'folder';
    return `${name} ${(stat.mode & 0o777).toString(8)} ${what}`;
  });
  return (await Promise.all(told)).sort();
}

/** Changes when a file is written anew; its inode may come again. */
const writtenAt = async (path: string): Promise<bigint> => (await lstat(path, { bigint: true })).mtimeNs;

it('becomes the worktree of an attempt that begins at another commit, as one that is checked out from nothing', async () => {
  expect(await makeSpareTree(spare, going)).toBe(true);
  expect(await readdir(join(spare.path, '.git'))).toEqual(['index']);
  const before = await writtenAt(join(spare.path, 'src', 'deep', 'b'));
  const at = await moved({ 'src/deep/a': 'A\n', gone: undefined, 'only/here': undefined, 'new/file': 'n\n' });
  const fresh = await worktree(at);
  const path = await worktree(at, { spare });
  expect(await contents(path)).toEqual(await contents(fresh));
  expect(await worktreeStatus(path)).toMatchObject({ head: at, dirty: false });
  expect(await git(path, 'status', '--porcelain', '--ignored')).toBe('');
  expect(await git(path, 'config', '--list', '--local')).toBe(await git(fresh, 'config', '--list', '--local'));
  expect(await git(path, 'fsck', '--no-dangling', '--no-progress')).toBe('');
  // It was not written anew, and is nobody else's any more.
  expect(await writtenAt(join(path, 'src', 'deep', 'b'))).toBe(before);
  expect(await has(spare.path)).toBe(false);
});

it('is not believed where a file in it is not what was checked out', async () => {
  await makeSpareTree(spare, going);
  const file = join(spare.path, 'src', 'deep', 'a');
  const { atime, mtime } = await lstat(file);
  await writeFile(file, 'x\n');
  await utimes(file, atime, mtime);
  const path = await worktree(spare.at, { spare });
  expect(await readFile(join(path, 'src', 'deep', 'a'), 'utf8')).toBe('a\n');
  expect(await worktreeStatus(path)).toMatchObject({ dirty: false });
});

it('that its start has looked over is not looked at again: what had been changed was written anew by the look', async () => {
  await makeSpareTree(spare, going);
  await writeFile(join(spare.path, 'src', 'deep', 'a'), 'changed\n');
  const seen = await lookedOver();
  expect(await seen.whole).toBe(true);
  expect(await readdir(join(spare.path, '.git'))).toEqual(['index']);
  expect(await readdir(dirname(spare.path))).toEqual([basename(spare.path)]);
  // Nobody does this in the moment that is left. By it alone can be seen that git has not looked again.
  await writeFile(join(spare.path, 'src', 'deep', 'b'), 'later\n');
  const path = await worktree(spare.at, { spare: { ...spare, look: seen } });
  expect(await readFile(join(path, 'src', 'deep', 'a'), 'utf8')).toBe('a\n');
  expect(await git(path, 'status', '--porcelain')).toBe('M src/deep/b');
  expect(await git(path, 'rev-parse', '--abbrev-ref', 'HEAD')).toMatch(/^heartbead\/a\//);
});

it('is made equal to the wanted commit where its look failed, or was at another one', async () => {
  await makeSpareTree(spare, going);
  await writeFile(join(spare.path, 'src', 'deep', 'a'), 'changed\n');
  const look = { whole: Promise.resolve(false), over: Promise.resolve(), stop: () => undefined };
  const path = await worktree(spare.at, { spare: { ...spare, look } });
  expect(await worktreeStatus(path)).toMatchObject({ head: spare.at, dirty: false });

  await makeSpareTree(spare, going);
  const at = await moved({ 'src/deep/a': 'A\n' });
  let stopped = 0;
  const elsewhere = { ...look, whole: Promise.resolve(true), stop: () => (stopped += 1) };
  const moving = await worktree(at, { spare: { ...spare, look: elsewhere } });
  expect(stopped).toBe(1);
  expect(await worktreeStatus(moving)).toMatchObject({ head: at, dirty: false });
  expect(await readFile(join(moving, 'src', 'deep', 'a'), 'utf8')).toBe('A\n');
});

it('can be used after a look that was broken off', async () => {
  await makeSpareTree(spare, going);
  const look = await lookedOver(true);
  expect(await look.whole).toBe(false);
  const path = await worktree(spare.at, { spare: { ...spare, look } });
  expect(await worktreeStatus(path)).toMatchObject({ head: spare.at, dirty: false });
});

it('that git cannot do with costs a start nothing but time, nor does a split index of the person at the machine', async () => {
  await makeSpareTree(spare, going);
  await writeFile(join(spare.path, '.git', 'index'), 'no index');
  expect(await worktreeStatus(await worktree(spare.at, { spare }))).toMatchObject({ head: spare.at, dirty: false });
  await appendFile(lab.config, '[core]\n\tsplitIndex = true\n');
  await makeSpareTree(spare, going);
  const before = await writtenAt(join(spare.path, 'src', 'deep', 'b'));
  const path = await worktree(spare.at, { spare });
  expect(await worktreeStatus(path)).toMatchObject({ head: spare.at, dirty: false });
  expect(await writtenAt(join(path, 'src', 'deep', 'b'))).toBe(before);
});

it('is not used where attributes of files have changed: git would leave those files as they were', async () => {
  await makeSpareTree(spare, going);
  const at = await moved({ 'src/.gitattributes': 'a text eol=crlf\n' });
  const path = await worktree(at, { spare });
  expect(await readFile(join(path, 'src', 'deep', 'a'), 'utf8')).toBe('a\r\n');
  expect(await contents(path)).toEqual(await contents(await worktree(at)));
  // To remove it would take the start as long as it has files.
  expect(await has(spare.path)).toBe(true);
});

it('is not made of a tree with submodules, and nothing is left', async () => {
  await put(lab.seed, { '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = ../x\n' });
  await git(lab.seed, 'add', '--all');
  await git(lab.seed, 'update-index', '--add', '--cacheinfo', `160000,${spare.at},x`);
  await git(lab.seed, 'commit', '--quiet', '-m', 'a submodule');
  await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:main');
  await updateMirror({ root: lab.root, repo: lab.origin });
  const at = (await resolveBase(mirror)).sha;
  expect(await makeSpareTree({ ...spare, at }, going)).toBe(false);
  expect(await readdir(join(lab.dir, 'spare'))).toEqual([]);
});

it('leaves nothing when it is broken off, or of a commit that is not there', async () => {
  const over = new AbortController();
  const broken = makeSpareTree(spare, over.signal);
  over.abort(new Error('the worker stops'));
  await expect(broken).rejects.toThrow('the worker stops');
  await expect(makeSpareTree({ ...spare, at: '1'.repeat(40) }, going)).rejects.toThrow(/1111/);
  expect(await readdir(join(lab.dir, 'spare'))).toEqual([]);
});

it('that is gone, is of another mirror, or of a commit that nobody knows any more costs a start nothing', async () => {
  const odd: SpareTree[] = [spare, { ...spare, mirror: `${mirror}x` }, { ...spare, at: '1'.repeat(40) }];
  for (const one of odd) {
    if (one !== spare) await makeSpareTree(spare, going);
    expect(await worktreeStatus(await worktree(spare.at, { spare: one }))).toMatchObject({ dirty: false });
    expect(await exists(one.path)).toBe(one !== spare);
  }
});

it('takes up the uncommitted work of an earlier attempt', async () => {
  await makeSpareTree(spare, going);
  await commit(lab.seed, { 'src/deep/a': 'half\n', later: 'on\n' }, 'a snapshot');
  const snapshot = await git(lab.seed, 'rev-parse', 'HEAD');
  await git(lab.seed, 'push', '--quiet', mirror, 'HEAD:refs/heartbead/a/1-abcd/wip');
  const path = await worktree(snapshot, { spare, wip: true });
  expect(await readFile(join(path, 'src', 'deep', 'a'), 'utf8')).toBe('half\n');
  expect(await worktreeStatus(path)).toMatchObject({ head: spare.at, dirty: true });
});

it('is not put where an agent has left work: that is kept first', async () => {
  await makeSpareTree(spare, going);
  const path = await worktree(spare.at);
  await put(path, { 'by an agent': 'work\n' });
  const again = { mirror, path, branch: `heartbead/a/${made}-abcd`, at: spare.at, spare };
  await createWorktree(again);
  expect(await worktreeStatus(path)).toMatchObject({ head: spare.at, dirty: false });
  expect(await git(mirror, 'for-each-ref', 'refs/heartbead-kept')).not.toBe('');
  await mkdir(join(lab.dir, 'foreign'));
  await put(join(lab.dir, 'foreign'), { mine: 'x' });
  await expect(createWorktree({ ...again, path: join(lab.dir, 'foreign') })).rejects.toThrow(/no worktree of this/);
  expect(await readdir(join(lab.dir, 'foreign'))).toEqual(['mine']);
});
