import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { treeOf } from '../../../src/git/commits.js';
import { createWorktree, pushBranch, resolveBase, saveWip, updateMirror } from '../../../src/git/index.js';
import { readMirrorNews } from '../../../src/git/mirror-news.js';
import { runGit } from '../../../src/git/run-git.js';
import { commit, git, has, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();

const bead = 'victim';
const attempt = '1-abcd';
const branch = `heartbead/${bead}/${attempt}`;

let mirror: string;
let path: string;
let marker: string;

beforeEach(async () => {
  mirror = await mirrorOf(lab);
  path = join(lab.dir, 'worktree');
  marker = join(lab.dir, 'marker');
});

const start = async (): Promise<void> => {
  await updateMirror({ root: lab.root, repo: lab.origin });
  await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror)).sha });
};
const save = (): ReturnType<typeof saveWip> =>
  saveWip({ worktree: path, remote: lab.origin, bead, attempt, push: true });

describe('what an ended bead has left in a mirror', () => {
  it('filters and attributes do not run when the next worktree is made', async () => {
    await git(mirror, 'config', 'filter.evil.smudge', `sh -c 'env > ${marker}; cat'`);
    await git(mirror, 'config', 'filter.evil.clean', `sh -c 'env > ${marker}; cat'`);
    await mkdir(join(mirror, 'info'), { recursive: true });
    await writeFile(join(mirror, 'info', 'attributes'), '* filter=evil\n');
    await start();
    await git(path, 'status');
    expect(await has(marker)).toBe(false);
  });

  it('a redirection of pushes does not reach the push of another bead', async () => {
    await start();
    await git(lab.dir, 'init', '--quiet', '--bare', 'mine.git');
    await git(mirror, 'config', `url.${join(lab.dir, 'mine.git')}.pushInsteadOf`, lab.origin);
    await put(path, { 'work.txt': 'w\n' });
    expect(await save()).toMatchObject({ pushed: true });
    await commit(path, {});
    const { sha } = await pushBranch({ worktree: path, remote: lab.origin, bead, attempt });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(sha);
    expect(await git(join(lab.dir, 'mine.git'), 'for-each-ref')).toBe('');
  });

  it('programs for the other side of a connection run neither at a fetch nor at a push', async () => {
    const repo = `file://${lab.origin}`;
    const far = (await updateMirror({ root: lab.root, repo })).path;
    const evil = async (): Promise<void> => {
      for (const [name, program] of [
        ['uploadpack', 'git-upload-pack'],
        ['receivepack', 'git-receive-pack'],
      ] as const)
        await git(far, 'config', `remote.${repo}.${name}`, `touch ${marker}; ${program}`);
    };
    await evil();
    await updateMirror({ root: lab.root, repo });
    await createWorktree({ mirror: far, path, branch, at: (await resolveBase(far)).sha });
    await evil();
    await put(path, { 'work.txt': 'w\n' });
    expect(await saveWip({ worktree: path, remote: repo, bead, attempt, push: true })).toMatchObject({ pushed: true });
    expect(await has(marker)).toBe(false);
  });

  it('hooks, grafts, replace refs and a configuration for worktrees are removed, and what was found is told', async () => {
    const [main, other] = [await git(mirror, 'rev-parse', 'origin/main'), await commit(lab.seed, { x: 'x' })];
    await git(mirror, 'fetch', '--quiet', lab.seed, other);
    await git(mirror, 'replace', main, other);
    await git(mirror, 'pack-refs', '--all');
    await git(mirror, 'replace', other, main);
    await put(mirror, {
      'hooks/post-checkout': '#!/bin/sh\n',
      'info/grafts': `${main}\n`,
      'info/exclude': '*\n',
      'config.worktree': '[core]\n\tbare = false\n',
    });
    await start();
    expect(await git(mirror, 'for-each-ref', 'refs/replace')).toBe('');
    expect(await git(path, 'log', '--format=%H')).toBe(main);
    const [news] = await readMirrorNews(lab.root);
    for (const name of [
      'hooks/post-checkout',
      'info/grafts',
      'info/exclude',
      'config.worktree',
      `refs/replace/${main}`,
    ])
      expect(news?.what).toContain(name);
  });

  it('is not seen as a finding where nobody changed anything', async () => {
    await start();
    await save();
    await updateMirror({ root: lab.root, repo: lab.origin });
    expect(await readMirrorNews(lab.root)).toEqual([]);
  });
});

describe('a mistake in the configuration of a mirror is healed by the next bead', () => {
  const mistakes: Record<string, () => Promise<unknown>> = {
    'a line that is none': () => appendFile(join(mirror, 'config'), 'this is no config\n'),
    'a format of the future': () => git(mirror, 'config', 'core.repositoryformatversion', '99'),
    'a file that includes itself': () => git(mirror, 'config', 'include.path', 'config'),
    'rights that nobody has': () => git(mirror, 'config', 'core.sharedRepository', '0400'),
    'a configuration of its own for each worktree': async () => {
      await git(mirror, 'config', 'extensions.worktreeConfig', 'true');
      await git(mirror, 'config', 'core.bare', 'true');
    },
  };
  for (const [name, make] of Object.entries(mistakes))
    it(name, async () => {
      await make();
      await start();
      await put(path, { 'work.txt': 'w\n' });
      await make();
      expect(await save()).toMatchObject({ pushed: true });
      expect(await git(path, 'status', '--porcelain')).toBe('?? work.txt');
      expect((await readMirrorNews(lab.root))[0]?.what).toContain('config: ');
    });
});

it('git sees objects as their ids say: no replace ref, no graft', async () => {
  const main = await git(lab.seed, 'rev-parse', 'HEAD');
  const tree = await git(lab.seed, 'rev-parse', 'HEAD^{tree}');
  const other = await commit(lab.seed, { x: 'x' });
  await git(lab.seed, 'replace', main, other);
  expect(await git(lab.seed, 'rev-parse', `${main}^{tree}`)).not.toBe(tree);
  expect(await treeOf({ worktree: lab.seed }, main)).toBe(tree);
  await writeFile(join(lab.seed, '.git', 'info', 'grafts'), `${other}\n`);
  const { stdout, stderr } = await runGit({ worktree: lab.seed }, ['rev-list', other], { doing: 'counting' });
  expect([stdout.split('\n').length - 1, stderr]).toEqual([2, '']);
});

it('git does not get the variables of the worker', async () => {
  vi.stubEnv('DEPLOY_KEY', 'secret');
  await appendFile(lab.config, `[alias]\n\tshow-env = !env > ${marker}\n`);
  await runGit({ worktree: lab.seed }, ['show-env'], { doing: 'looking' });
  expect(await readFile(marker, 'utf8')).toContain('GIT_NO_REPLACE_OBJECTS=1');
  expect(await readFile(marker, 'utf8')).not.toContain('DEPLOY_KEY');
});
