import { mkdir, readFile, readdir, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { gitRooms } from '../../../src/cell/git-rooms.js';
import { borrowedBy, createWorktree, pushBranch, resolveBase, worktreeStatus } from '../../../src/git/index.js';
import type { GitError } from '../../../src/git/index.js';
import { fillTree } from '../../../src/git/merge/index.js';
import { makeScratch } from '../../../src/git/merge/scratch-tree.js';
import { absoluteUrl } from '../../../src/git/submodules/declared.js';
import { commit, git, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
let path = '';
beforeEach(() => {
  path = join(lab.dir, 'attempts', '1-abcd__a', 'worktree');
});

/** A repository beside origin with one file. @returns its commit. */
async function another(name: string, files: Record<string, string> = { [`in ${name}`]: name }): Promise<string> {
  const folder = join(lab.dir, `${name} work`);
  await git(lab.dir, 'init', '--quiet', '--bare', `${name}.git`);
  await git(lab.dir, 'clone', '--quiet', `${name}.git`, folder);
  await git(folder, 'checkout', '--quiet', '-B', 'main');
  const sha = await commit(folder, files);
  await git(folder, 'push', '--quiet', 'origin', 'HEAD:refs/heads/main');
  return sha;
}

/** Commits links and what `.gitmodules` says to origin. */
async function declare(modules: string, links: Record<string, string>, seed = lab.seed): Promise<string> {
  if (seed === lab.seed) await git(seed, 'checkout', '--quiet', '-B', 'main', 'origin/main');
  await put(seed, { '.gitmodules': modules });
  await git(seed, 'add', '.gitmodules');
  for (const [at, sha] of Object.entries(links))
    await git(seed, 'update-index', '--add', '--cacheinfo', `160000,${sha},${at}`);
  await git(seed, 'commit', '--quiet', '-m', 'submodules');
  await git(seed, 'push', '--quiet', 'origin', 'HEAD:refs/heads/main');
  return git(seed, 'rev-parse', 'HEAD');
}

const section = (name: string, at: string, url: string, more = ''): string =>
  `[submodule "${name}"]\n\tpath = ${at}\n\turl = ${url}\n${more}`;

async function make(repo = lab.origin): Promise<string> {
  const mirror = await mirrorOf(lab);
  const at = (await resolveBase(mirror)).sha;
  await createWorktree({ mirror, path, branch, at, repo });
  return mirror;
}

const failure = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown as GitError,
  );
  return error?.message ?? 'it did not fail';
};

describe('submodules are there', () => {
  it('in a worktree and in a merged tree, theirs too, with objects that the host has once', async () => {
    const inner = await another('inner');
    await another('middle');
    const middle = await declare(
      section('inner', 'deep/ïnner dir', '../inner.git'),
      { 'deep/ïnner dir': inner },
      join(lab.dir, 'middle work'),
    );
    const tip = await declare(section('the middle', 'lib/middle', '../middle.git'), { 'lib/middle': middle });
    const mirror = await make();
    expect(await readFile(join(path, 'lib/middle/in middle'), 'utf8')).toBe('middle');
    expect(await readFile(join(path, 'lib/middle/deep/ïnner dir/in inner'), 'utf8')).toBe('inner');
    expect(await readdir(join(path, 'lib/middle/.git/objects'))).toEqual(['info', 'pack']);
    expect(await readdir(join(path, 'lib/middle/.git/objects/pack'))).toEqual([]);
    // What a sandbox has to show of the host, so that git works within.
    const read = gitRooms(await borrowedBy(path), lab.dir);
    for (const at of ['lib/middle', 'lib/middle/deep/ïnner dir'])
      expect(read).toContain((await readFile(join(path, at, '.git/objects/info/alternates'), 'utf8')).split('\n')[0]);
    // Clean for us and for the agent's own git, whose command takes them for its own.
    expect(await worktreeStatus(path)).toMatchObject({ dirty: false, entries: [] });
    expect(await git(path, 'status', '--porcelain')).toBe('');
    expect(await git(path, 'submodule', 'status', '--recursive')).toMatch(/^ ?[0-9a-f]{40} lib\/middle/);
    await commit(path, { work: '1' });
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(await git(path, 'rev-parse', 'HEAD'));

    const scratch = join(lab.dir, 'scratch');
    await makeScratch(mirror, scratch, tip);
    const borrowed = await fillTree({ repo: lab.origin, mirrors: lab.root, tree: scratch });
    expect(gitRooms(borrowed, lab.dir).sort()).toEqual([...read].sort());
    expect(await readFile(join(scratch, 'lib/middle/deep/ïnner dir/in inner'), 'utf8')).toBe('inner');
  });

  it('also at a commit that no branch has any more', async () => {
    const old = await another('sub');
    await git(join(lab.dir, 'sub.git'), 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    await git(join(lab.dir, 'sub work'), 'commit', '--quiet', '--amend', '-m', 'another');
    await git(join(lab.dir, 'sub work'), 'push', '--quiet', '--force', 'origin', 'HEAD:refs/heads/main');
    await declare(section('sub', 'sub', '../sub.git'), { sub: old });
    await make();
    expect(await git(join(path, 'sub'), 'rev-parse', 'HEAD')).toBe(old);
    await commit(path, { work: '1' });
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
  });

  it('but for one at a commit that its remote never got, in saved work; of finished work that is refused', async () => {
    await another('sub');
    await git(join(lab.dir, 'sub work'), 'commit', '--quiet', '--allow-empty', '-m', 'never pushed');
    const lost = await git(join(lab.dir, 'sub work'), 'rev-parse', 'HEAD');
    const at = await declare(section('sub', 'sub', '../sub.git'), { sub: lost });
    expect(await failure(make())).toMatch(/the submodule sub is at commit [0-9a-f]{40}, which .* does not have/);
    await createWorktree({ mirror: await mirrorOf(lab), path, branch, at, repo: lab.origin, wip: true });
    expect(await readdir(join(path, 'sub'))).toEqual([]);
    // Also where everything was committed, so that the save is that commit.
    const other = join(lab.dir, 'other');
    const mirror = await mirrorOf(lab);
    await createWorktree({ mirror, path: other, branch: 'other', at, repo: lab.origin, unfinished: true });
    expect(await readdir(join(other, 'sub'))).toEqual([]);
  });

  it('unless .gitmodules leaves them out, or does not know them', async () => {
    const sub = await another('sub');
    await declare(section('sub', 'sub', '../sub.git', '\tupdate = none\n'), { sub, accident: sub });
    await make();
    expect([await readdir(join(path, 'sub')), await readdir(join(path, 'accident'))]).toEqual([[], []]);
  });
});

describe('a submodule is refused, and the tree is not made,', () => {
  const marker = (): string => join(lab.dir, 'marker');
  it.each([
    ['a URL that runs a command', (): string => `ext::sh -c touch% ${marker()}`, /can run commands and is refused/],
    ['a URL that is an option', (): string => `--upload-pack=touch ${marker()}`, /cannot begin with a dash/],
    ['no URL', (): string => '', /has no URL/],
    ['a URL that leads out', (): string => '../'.repeat(40) + 'x', /leads out of/],
    ['a repository that is not there', (): string => '../nowhere.git', /the submodule sub: .*nothing was found/],
    ['itself', (): string => lab.origin, /is the repository that it is in/],
  ])('with %s', async (_, url, words) => {
    const sub = await another('sub');
    await declare(section('sub', 'sub', url()), { sub });
    expect(await failure(make())).toMatch(words);
    expect(await readdir(dirname(path))).toEqual([]);
    await expect(stat(marker())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that leads back to the repository around it by way of another one: the whole circle is named', async () => {
    const begin = await git(lab.seed, 'rev-parse', 'HEAD');
    await another('middle');
    const middle = await declare(section('back', 'back', lab.origin), { back: begin }, join(lab.dir, 'middle work'));
    await declare(section('middle', 'middle', '../middle.git'), { middle });
    expect(await failure(make())).toContain(
      `the submodule "back" is the repository that it is in (${lab.origin} → ${join(lab.dir, 'middle.git')} → ` +
        `${lab.origin}): take it out`,
    );
  });

  it('with a command in the place of a way to update: it is not run, and the submodule is filled', async () => {
    const sub = await another('sub');
    await declare(section('sub', 'sub', '../sub.git', `\tupdate = !touch ${marker()}\n`), { sub });
    await make();
    expect(await readdir(join(path, 'sub'))).toContain('in sub');
    await expect(stat(marker())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([
    ['a name that leads out', '../../x'],
    ['a name with control characters', 'a\\tb'],
  ])('with %s', async (_, name) => {
    const sub = await another('sub');
    await declare(section(name.replace('\\t', '\t'), 'sub', '../sub.git'), { sub });
    expect(await failure(make())).toContain('has a name that is none');
  });

  it('from a folder of this machine, or another server, for a repository of a server that does not name it on its default branch', async () => {
    const sub = await another('sub');
    const mirror = await mirrorOf(lab);
    const base = (await resolveBase(mirror)).sha;
    const tip = await declare(section('sub', 'sub', `file://${lab.dir}/sub.git`), { sub });
    await git(lab.seed, 'push', '--quiet', 'origin', `${tip}:refs/heads/side`);
    const other = await declare(section('sub', 'sub', 'https://other.example/sub.git'), {});
    await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${other}:refs/heads/other`, `${base}:refs/heads/main`);
    await mirrorOf(lab);
    const made = (at: string): Promise<unknown> =>
      createWorktree({ mirror, path, branch, at, repo: 'https://forge.example/team/app.git' });
    expect(await failure(made(tip))).toMatch(/is to come from a folder of this machine/);
    expect(await failure(made(other))).toMatch(/is to come from other\.example, which is not where its repository is/);
  });

  it('in the place of which something else stands', async () => {
    const sub = await another('sub');
    await declare(section('sub', 'sub', '../sub.git'), { sub });
    const scratch = join(lab.dir, 'scratch');
    const mirror = await mirrorOf(lab);
    await makeScratch(mirror, scratch, (await resolveBase(mirror)).sha);
    await mkdir(join(lab.dir, 'elsewhere'));
    await symlink(join(lab.dir, 'elsewhere'), join(scratch, 'sub', '.git'));
    expect(await failure(fillTree({ repo: lab.origin, mirrors: lab.root, tree: scratch }))).toMatch(
      /something is there already/,
    );
    expect(await readdir(join(lab.dir, 'elsewhere'))).toEqual([]);
  });
});

it('relative URLs begin where the repository is', () => {
  expect(
    [
      ['https://forge.example/a/b.git', '../c.git'],
      ['git@forge.example:a/b.git', '../c.git'],
      ['git@forge.example:b.git', '../c.git'],
      ['/srv/b.git/', './../c.git/'],
      ['/srv/b.git', './c'],
      ['https://forge.example/a/b.git', '../../../c.git'],
      ['https://forge.example/a/b.git', 'ssh://other/x'],
    ].map(([repo = '', url = '']) => absoluteUrl(repo, url)),
  ).toEqual([
    'https://forge.example/a/c.git',
    'git@forge.example:a/c.git',
    'git@forge.example:c.git',
    '/srv/c.git',
    '/srv/b.git/c',
    undefined,
    'ssh://other/x',
  ]);
});
