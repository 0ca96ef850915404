import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, it } from 'vitest';
import { conflictMarkers, createWorktree, heavyFiles, resolveBase } from '../../../src/git/index.js';
import { heavyProblem, leftBehind, meantStatus, uncommittedProblem } from '../../../src/runner/end/done-advice.js';
import { WorkKeeper } from '../../../src/runner/end/work-keeper.js';
import { commit, commitToOrigin, demandSignoff, git, mirrorOf, put, remoteSha, useLab } from '../git/lab.js';

const lab = useLab();
let path = '';
let base = '';
beforeEach(async () => {
  const mirror = await mirrorOf(lab);
  path = join(lab.dir, 'w');
  await createWorktree({ mirror, path, branch: 'work', at: (await resolveBase(mirror)).sha });
  base = await commit(path, { 'list.txt': 'one\n' });
});
const problem = async (): Promise<string | undefined> => uncommittedProblem(path, (await meantStatus(path)).meant);
const left = async (): ReturnType<typeof leftBehind> =>
  leftBehind(path, { head: await git(path, 'rev-parse', 'HEAD'), baseSha: base });

describe('what keeps work from being done', () => {
  it('is not the litter of tools, but all else that is uncommitted, by its name', async () => {
    await commit(path, { 'src/kept.py': 'x', '.claude/settings.json': '{}' });
    await put(path, {
      '.aider.chat.history.md': 'x',
      '.DS_Store': 'x',
      'src/__pycache__/a.pyc': 'x',
      'node_modules/a/index.js': 'x',
      '.claude/settings.local.json': 'x',
      'notes.txt.swp': 'x',
    });
    expect(await problem()).toBeUndefined();
    await put(path, { 'with space.txt': 'x', 'list.txt': 'two\n' });
    expect(await problem()).toBe(
      'there is uncommitted work: list.txt, with space.txt; commit what belongs to the task, remove or ignore the rest',
    );
  });

  it('is not what the rig calls litter, wherever it lies or from the top of the tree, as its pattern says', async () => {
    const litter = ['*.log', 'tmp/cache', 'out?', '.tool+x/'];
    const meant = async (): Promise<string[]> => (await meantStatus(path, litter)).meant.map((entry) => entry.path);
    await put(path, {
      'src/a.log': 'x',
      'b.log/part': 'x',
      'tmp/cache/deep/c': 'x',
      'out1/c': 'x',
      'src/.tool+x/c': 'x',
    });
    expect(await meant()).toEqual([]);
    await put(path, { 'src/tmp/cache/c': 'x', 'tmp/other': 'x', 'a.logs': 'x', out: 'x', '.toolx/c': 'x' });
    expect(await meant()).toEqual(['.toolx/', 'a.logs', 'out', 'src/', 'tmp/']);
    // What git tracks is work, whatever its name.
    await commit(path, { 'kept.log': 'x' });
    await put(path, { 'kept.log': 'y' });
    expect(await meant()).toEqual(['kept.log']);
  });

  it('is a merge that was not finished, with its conflicts', async () => {
    await git(path, 'checkout', '--quiet', '-b', 'other', base);
    await commit(path, { 'list.txt': 'other\n' });
    await git(path, 'checkout', '--quiet', 'work');
    await commit(path, { 'list.txt': 'mine\n' });
    await git(path, 'merge', 'other').catch(() => undefined);
    expect(await problem()).toMatch(/^a merge is not finished, with conflicts in list\.txt: .*git merge --abort/);
    const markers = await git(path, 'add', '--all').then(() => commit(path, {}));
    expect(await conflictMarkers(path, base, markers)).toEqual(['list.txt']);
  });

  it('is a repository within, of which git keeps no file', async () => {
    await mkdir(join(path, 'vendored'));
    await git(join(path, 'vendored'), 'init', '--quiet');
    await writeFile(join(path, 'vendored', 'a'), 'a');
    expect(await problem()).toMatch(/^there is another repository in vendored\/, .*rm -rf vendored\/\.git/);
  });
});

describe('commits that are not part of HEAD', () => {
  it('are named with their branch and the command that brings them', async () => {
    expect(await left()).toBeUndefined();
    await git(path, 'checkout', '--quiet', '-b', 'fix');
    const sha = await commit(path, { f: 'x' });
    await git(path, 'checkout', '--quiet', 'work');
    expect(await left()).toEqual({
      sha,
      advice:
        `HEAD has no commit ahead of its base, but a commit of yours is on branch fix (${sha.slice(0, 12)}): ` +
        'bring them here with `git merge fix`',
    });
    await git(path, 'branch', '--quiet', '-D', 'fix');
    expect((await left())?.advice).toContain(`on no branch any more (${sha.slice(0, 12)})`);
    await git(path, 'merge', '--quiet', sha);
    expect(await left()).toBeUndefined();
  });
});

it('a repository that wants sign-offs gets them: with saves, with the word of the runner, and asked for of the agent', async () => {
  const mirror = await mirrorOf(lab);
  const begun = (await resolveBase(mirror)).sha;
  await demandSignoff(lab.origin);
  const worktree = join(lab.dir, 'signed');
  await createWorktree({ mirror, path: worktree, branch: 'heartbead/a/1-abcd', at: begun });
  const troubles: string[] = [];
  const keeper = (signoff?: true): WorkKeeper =>
    new WorkKeeper(
      { bead: 'a', attempt: '1-abcd', worktree, remote: lab.origin, baseSha: begun, rootSha: begun, signoff },
      {
        record: () => Promise.resolve(),
        changed: () => undefined,
        kept: () => Promise.resolve(),
        trouble: (what, error) => void troubles.push(`${what}: ${String(error)}`),
      },
    );
  await put(worktree, { 'new.txt': 'x\n' });
  expect(await keeper().save()).toMatchObject({ pushed: false });
  expect(troubles.splice(0).join()).toMatch(/is not signed off/);
  await put(worktree, { 'new.txt': 'y\n' });
  expect(await keeper(true).save()).toMatchObject({ pushed: true });

  // Others' commits that came by way of the target are not the agent's to sign.
  await rm(join(lab.origin, 'hooks', 'update'));
  const theirs = await commitToOrigin(lab, 'main', { 'theirs.txt': 'x\n' });
  await demandSignoff(lab.origin);
  await mirrorOf(lab);
  const first = await commit(worktree, {});
  await git(worktree, 'pull', '--quiet', '--no-rebase', lab.origin, 'main');
  await commit(worktree, { 'more.txt': 'x\n' }, 'more\n\nSigned-off-by: Ada <ada@example.org>');
  const asked = await keeper(true)
    .done(undefined)
    .catch((error: unknown) => String(error));
  expect(asked).toMatch(
    `a commit of yours has no Signed-off-by (${first.slice(0, 12)}), and this repository takes none without: `,
  );
  const [, command = ''] = /`(git [^`]*)`/.exec(String(asked)) ?? [];
  await execa('sh', ['-c', command], { cwd: worktree, env: { GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@b' } });
  await git(worktree, 'merge-base', '--is-ancestor', theirs, 'HEAD');
  expect(await keeper(true).done(undefined)).toMatchObject({ outcome: 'done' });
  expect(await remoteSha(lab, 'refs/heads/heartbead/a/1-abcd')).toBe(await git(worktree, 'rev-parse', 'HEAD'));
  expect(await remoteSha(lab, 'refs/heartbead/a/1-abcd/done')).not.toBe('');
  expect(troubles).toEqual([]);
});

describe('what a remote may refuse', () => {
  const limit = 2_000;
  const heavy = async (): ReturnType<typeof heavyFiles> =>
    heavyFiles(path, { from: base, to: await git(path, 'rev-parse', 'HEAD'), limit });

  it('is a large file in any of the commits, also one that was removed again, with the command that mends it', async () => {
    await commit(path, { 'as large as allowed': 'x'.repeat(limit) });
    expect(await heavy()).toEqual({ large: [] });
    await commit(path, { "a dir/it's large é.bin": 'x'.repeat(limit + 1) });
    await commit(path, { "a dir/it's large é.bin": undefined, small: 'x' });
    const found = await heavy();
    expect(found.large).toEqual([{ path: "a dir/it's large é.bin", bytes: limit + 1 }]);
    const told = heavyProblem(found, base) ?? '';
    // The advice is what mends it.
    await git(path, 'reset', '--quiet', '--hard', 'HEAD~1');
    const commands = [...told.matchAll(/`(git (?:reset|rm)[^`]*)`/g)].map(([, command = '']) => command);
    expect(commands).toHaveLength(2);
    for (const command of commands) await execa('sh', ['-c', command], { cwd: path });
    await writeFile(join(path, '.gitignore'), '*.bin\n');
    await commit(path, {});
    expect(await heavy()).toEqual({ large: [] });
  });

  const keeperOf = (kept: (work: unknown) => void = () => undefined): WorkKeeper =>
    new WorkKeeper(
      { bead: 'a', attempt: '1-abcd', worktree: path, remote: lab.origin, baseSha: base, rootSha: base },
      {
        record: () => Promise.resolve(),
        changed: () => undefined,
        kept: (work) => Promise.resolve(kept(work)),
        trouble: () => undefined,
      },
    );
  const doneWith = (keeper: WorkKeeper): Promise<unknown> =>
    keeper.done(undefined).catch((error: unknown) => (error as Error).message);

  it('is a stash, with or without commits beside it: it is brought back by the command that is named', async () => {
    for (const file of ['one', 'two']) {
      await put(path, { [`${file}.txt`]: 'x' });
      await git(path, 'add', '--all');
      await git(path, 'stash', '--quiet');
      const keeper = keeperOf();
      const told = await doneWith(keeper);
      expect(told).toMatch(/^there is work in the stash \([0-9a-f]{12}\), which is in no commit: .*`git stash pop`/);
      const [, command = ''] = /`(git stash [^`]*)`/.exec(String(told)) ?? [];
      await execa('sh', ['-c', command], { cwd: path });
      await commit(path, {});
      expect(await doneWith(keeper)).toMatchObject({ outcome: 'done' });
    }
    // Whoever means to leave it there says so by reporting done again.
    await put(path, { 'three.txt': 'x' });
    await git(path, 'add', '--all');
    await git(path, 'stash', '--quiet');
    const keeper = keeperOf();
    expect(await doneWith(keeper)).toMatch(/stash/);
    expect(await doneWith(keeper)).toMatchObject({ outcome: 'done' });
  });

  it('is a repository that was committed instead of its files: nobody else could fill the folder', async () => {
    const inner = join(path, "it's dep");
    await mkdir(inner);
    await git(inner, 'init', '--quiet');
    await commit(inner, { 'a.txt': 'a' });
    const link = await commit(path, {});
    expect(await git(path, 'ls-tree', link, '--', "it's dep")).toMatch(/^160000/);
    let kept: unknown;
    const keeper = keeperOf((work) => (kept = work));
    const told = await doneWith(keeper);
    expect(told).toMatch(/^your commits have another repository in it's dep, but none of its files/);
    // Meant so or not, its commit is nowhere: that is for the agent to mend, and no time will.
    expect(await doneWith(keeper)).toMatch(
      /^these commits cannot be taken: the commit \w+ of the repository it's dep within is on no remote/,
    );
    expect(kept).toMatchObject({ sha: link, mayPass: false });
    const commands = [...String(told).matchAll(/`([^`]*)`/g)].map(([, command = '']) => command).slice(0, 3);
    for (const command of commands) await execa('sh', ['-c', command], { cwd: path });
    await commit(path, {});
    expect(await doneWith(keeper)).toMatchObject({ outcome: 'done' });
    expect(await git(lab.origin, 'show', "heartbead/a/1-abcd:it's dep/a.txt")).toBe('a');
  });

  it('is no repository within that .gitmodules names and that others can get', async () => {
    const sub = join(lab.dir, 'sub.git');
    await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, sub);
    await git(path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', sub, 'lib');
    await commit(path, {});
    expect(await doneWith(keeperOf())).toMatchObject({ outcome: 'done' });
  });

  it('is a submodule at a commit that an earlier attempt has made and nobody here has', async () => {
    const sub = join(lab.dir, 'sub.git');
    await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, sub);
    await git(path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', sub, 'lib');
    base = await commit(path, {});
    await git(path, 'submodule', '--quiet', 'deinit', '--force', 'lib');
    await rm(join(path, '.git', 'modules'), { recursive: true });
    await git(path, 'update-index', '--cacheinfo', `160000,${'1'.repeat(40)},lib`);
    await git(path, 'commit', '--quiet', '-m', 'bump');
    const keeper = keeperOf();
    const told = await doneWith(keeper);
    expect(told).toMatch(/^your commits have lib at a commit that is not here, perhaps nowhere/);
    const [, command = ''] = /`(git checkout [^`]*)`/.exec(String(told)) ?? [];
    await execa('sh', ['-c', command], { cwd: path });
    await git(path, 'commit', '--quiet', '-m', 'put back');
    await put(path, { 'new.txt': 'x' });
    await commit(path, { 'new.txt': 'x' });
    expect(await doneWith(keeper)).toMatchObject({ outcome: 'done' });
  });

  it('at the end of an attempt is not waited for without end, where the remote hangs', async () => {
    const hook = join(lab.origin, 'hooks', 'pre-receive');
    await writeFile(hook, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await commit(path, { 'new.txt': 'x' });
    let kept: unknown;
    const keeper = keeperOf((work) => (kept = work));
    expect(await doneWith(keeper)).toMatch(/hook declined/);
    await writeFile(hook, '#!/bin/sh\nexec sleep 20\n', { mode: 0o755 });
    const begun = Date.now();
    await keeper.pushKept(300);
    expect(kept).toMatchObject({ reason: 'it took too long', mayPass: true });
    // Nor is the push that an agent has asked for before it ended.
    const asked = doneWith(keeper);
    await keeper.pushKept(2_000);
    expect(await asked).toMatch(/could not be pushed: it took too long; report done again in a while/);
    expect(Date.now() - begun).toBeLessThan(15_000);
    expect(kept).toMatchObject({ reason: 'it took too long', mayPass: true });
  });

  it('is asked about once: who reports done again has answered, and the commits are pushed', async () => {
    const branch = 'heartbead/a/1-abcd';
    const keeper = new WorkKeeper(
      { bead: 'a', attempt: '1-abcd', worktree: path, remote: lab.origin, baseSha: base, rootSha: base },
      {
        record: () => Promise.resolve(),
        changed: () => undefined,
        kept: () => Promise.resolve(),
        trouble: (what, error) => expect([what, error]).toBeUndefined(),
      },
    );
    const head = await commit(path, { 'a.txt': '<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n' });
    await expect(keeper.done(undefined)).rejects.toMatchObject({
      message: expect.stringMatching(/conflict markers .*\(a\.txt\).*just report done again$/) as string,
    });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe('');
    expect(await keeper.done(undefined)).toEqual({ outcome: 'done', branch, sha: head });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(head);
  });
});
