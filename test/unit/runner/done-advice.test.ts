import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { conflictMarkers, createWorktree, resolveBase, worktreeStatus } from '../../../src/git/index.js';
import { leftBehind, meantEntries, uncommittedProblem } from '../../../src/runner/end/done-advice.js';
import { commit, git, mirrorOf, put, useLab } from '../git/lab.js';

const lab = useLab();
let path = '';
let base = '';
beforeEach(async () => {
  const mirror = await mirrorOf(lab);
  path = join(lab.dir, 'w');
  await createWorktree({ mirror, path, branch: 'work', at: (await resolveBase(mirror)).sha });
  base = await commit(path, { 'list.txt': 'one\n' });
});
const problem = async (): Promise<string | undefined> =>
  uncommittedProblem(path, meantEntries((await worktreeStatus(path)).entries));
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
      advice: `HEAD has no commit ahead of its base, but a commit of yours is on branch fix (${sha.slice(0, 12)}): bring them here with \`git merge fix\``,
    });
    await git(path, 'branch', '--quiet', '-D', 'fix');
    expect((await left())?.advice).toContain(`on no branch any more (${sha.slice(0, 12)})`);
    await git(path, 'merge', '--quiet', sha);
    expect(await left()).toBeUndefined();
  });
});
