import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { execa } from 'execa';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createWorktree,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  verifyRemote,
  worktreeDiff,
} from '../../../src/git/index.js';
import { WorkKeeper } from '../../../src/runner/end/work-keeper.js';
import { commit, commitToOrigin, git, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const bead = 'odd';
const attempt = '1-abcd';
const branch = `heartbead/${bead}/${attempt}`;
let mirror = '';
let path = '';
let base = '';
let keeper: WorkKeeper;

beforeEach(async () => {
  await commitToOrigin(lab, 'main', {
    'a.txt': 'a\n',
    'folder/b.txt': 'b\n',
    'place/c.txt': 'c\n',
    '.gitignore': '.worktrees/\n',
  });
  await begin();
});

async function begin(): Promise<void> {
  mirror = await mirrorOf(lab);
  path = join(lab.dir, 'attempts', `${attempt}__${bead}`, `${bead}-${attempt}`);
  base = (await resolveBase(mirror)).sha;
  await createWorktree({ mirror, path, branch, at: base, repo: lab.origin });
  keeper = new WorkKeeper(
    { bead, attempt, worktree: path, remote: lab.origin, baseSha: base, rootSha: base },
    {
      record: () => Promise.resolve(),
      changed: () => undefined,
      kept: () => Promise.resolve(),
      trouble: () => undefined,
    },
  );
}

const save = async (): Promise<string> => {
  const saved = await saveWip({ worktree: path, bead, attempt, push: true, remote: lab.origin });
  expect(saved).toMatchObject({ pushed: true });
  return saved.checkpoint.sha;
};
const done = (): Promise<unknown> => keeper.done(undefined).catch((error: unknown) => String(error));
const remove = (): ReturnType<typeof removeProvenWorktree> =>
  removeProvenWorktree({ mirror, path, remote: lab.origin, bead, attempt });
/** Mode and name of every file of a commit in the mirror. */
const filesOf = async (sha: string): Promise<string[]> =>
  (await git(mirror, 'ls-tree', '-r', '-z', sha))
    .split('\0')
    .filter(Boolean)
    .map((entry) => entry.replace(/ [^\t]*\t/, ' '));
const isDone = async (): Promise<void> => {
  const sha = await git(path, 'rev-parse', 'HEAD');
  expect(await done()).toEqual({ outcome: 'done', branch, sha });
  expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(sha);
  expect(await verifyRemote({ root: lab.root, repo: lab.origin, baseSha: base, branch, sha })).toMatchObject({
    verdict: 'verified',
  });
};

describe('work in the middle of something is not taken for finished', () => {
  const two = async (): Promise<void> => {
    await commit(path, { 'one.txt': '1\n' }, 'one');
    await commit(path, { 'two.txt': '2\n' }, 'two');
  };

  it('a rebase that has stopped, with a clean tree and the rest of the work not on HEAD', async () => {
    await two();
    await execa('git', ['-C', path, '-c', 'user.name=a', '-c', 'user.email=a@b', 'rebase', '--exec', 'false', base], {
      reject: false,
    });
    expect(await git(path, 'log', '-1', '--format=%s')).toBe('one');
    expect(await done()).toMatch(
      /a rebase is not finished in .*`git rebase --continue`, or `git rebase --abort`; then/,
    );
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe('');
    await git(path, 'rebase', '--abort');
    await isDone();
  });

  it('several commits that are picked, of which the first has met a conflict', async () => {
    await two();
    const [first, last] = [await git(path, 'rev-parse', 'HEAD~1'), await git(path, 'rev-parse', 'HEAD')];
    await git(path, 'reset', '--quiet', '--hard', base);
    await commit(path, { 'one.txt': 'mine\n' });
    await execa('git', ['-C', path, 'cherry-pick', first, last], { reject: false });
    await git(path, 'checkout', '--quiet', '--ours', 'one.txt');
    await git(path, 'add', 'one.txt');
    expect(await done()).toMatch(/several commits is not finished .*`git cherry-pick --continue`/);
    await git(path, 'cherry-pick', '--abort');
    await isDone();
  });

  it('patches that are applied, of which one does not fit', async () => {
    await commit(path, { 'a.txt': 'mine\n' });
    const patch = await git(path, 'format-patch', '-1', '--stdout');
    await execa('git', ['-C', path, '-c', 'user.name=a', '-c', 'user.email=a@b', 'am'], {
      input: `${patch}\n`,
      reject: false,
    });
    expect(await done()).toMatch(/\(git am\) is not finished .*`git am --abort`/);
    await git(path, 'am', '--abort');
    await isDone();
  });

  it('a bisection', async () => {
    await two();
    await git(path, 'bisect', 'start', 'HEAD', base);
    expect(await done()).toMatch(/a bisection is not finished .*`git bisect reset`/);
    await git(path, 'bisect', 'reset');
    await isDone();
  });

  it('a history that leaves out where the bead began: its base amended, or a branch of its own', async () => {
    await git(path, 'commit', '--quiet', '--amend', '--allow-empty', '-m', 'mine');
    expect(await done()).toMatch(/does not build on the commit that this bead began with .*`git checkout -B/);
    await git(path, 'checkout', '--quiet', '--orphan', 'fresh');
    const sha = await commit(path, { 'new.txt': 'n\n' });
    expect(await done()).toMatch(/does not build on the commit that this bead began with/);
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe('');
    await git(path, 'checkout', '--quiet', '-B', branch, base);
    await git(path, 'checkout', sha, '--', 'new.txt');
    await commit(path, {});
    await isDone();
  });

  it('commits that leave all files as they were: asked about, and then no evidence', async () => {
    await commit(path, { 'a.txt': 'changed\n' });
    await git(path, 'revert', '--no-edit', 'HEAD');
    expect(await done()).toMatch(/all files are as they were when this bead began/);
    expect(await done()).toMatchObject({ outcome: 'done' });
    const sha = await git(path, 'rev-parse', 'HEAD');
    expect(await verifyRemote({ root: lab.root, repo: lab.origin, baseSha: base, branch, sha })).toMatchObject({
      verdict: 'no_changes',
    });
  });
});

describe('worktrees that an agent adds for itself', () => {
  const added = async (at: string, ...more: string[]): Promise<string> => {
    await git(path, 'worktree', 'add', '--quiet', ...more, at);
    return commit(join(path, at), { 'fix.txt': 'fixed\n' });
  };

  it('in a folder that is ignored: their commits are named with the command that brings them, also when it is gone', async () => {
    const sha = await added('.worktrees/fix', '-b', 'fix');
    expect(await done()).toContain(`a commit of yours is on branch fix (${sha.slice(0, 12)}): bring them here`);
    await git(path, 'worktree', 'remove', '.worktrees/fix');
    await begun();
    expect(await done()).toContain('`git merge fix`');
    await git(path, 'merge', '--quiet', 'fix');
    await isDone();
  });

  it('in a folder that is not: it is told what it is, and never removed with work in it', async () => {
    await added('inner', '-b', 'fix');
    expect(await done()).toMatch(/inner\/ is a worktree of its own.*`git worktree remove inner\/`, then report/);
    await put(path, { 'inner/unsaved.txt': 'x\n' });
    await save();
    expect(await remove()).toMatchObject({
      removed: false,
      reason: expect.stringMatching(/inner within has uncommitted/),
    });
    await rm(join(path, 'inner', 'unsaved.txt'));
    await save();
    expect(await remove()).toMatchObject({ removed: true });
    expect(await git(mirror, 'for-each-ref', '--format=%(refname)', 'refs/heartbead-kept')).toContain('/heads/fix');
  });

  it('with a commit on no branch: it is kept when the tree goes', async () => {
    const sha = await added('.worktrees/look', '--detach');
    await save();
    expect(await remove()).toMatchObject({ removed: true });
    expect(await git(mirror, 'for-each-ref', '--format=%(objectname)', 'refs/heartbead-kept')).toBe(sha);
  });

  /** What was asked once is asked anew of the next runner. */
  const begun = async (): Promise<void> => {
    const { place } = keeper as unknown as { place: ConstructorParameters<typeof WorkKeeper>[0] };
    const { events } = keeper as unknown as { events: ConstructorParameters<typeof WorkKeeper>[1] };
    keeper = new WorkKeeper(place, events);
    await Promise.resolve();
  };
});

it('a branch of the remote that the agent has looked at is none of its commits', async () => {
  await commitToOrigin(lab, 'develop', { 'theirs.txt': 'x\n' });
  await git(path, 'fetch', '--quiet', 'origin', '+refs/heads/*:refs/remotes/origin/*');
  await git(path, 'checkout', '--quiet', 'develop');
  await git(path, 'checkout', '--quiet', branch);
  expect(await done()).toMatchObject({ outcome: 'no_changes' });
});

describe('a submodule that was turned into a folder', () => {
  beforeEach(async () => {
    const sub = join(lab.dir, 'sub.git');
    await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, sub);
    await git(lab.seed, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', sub, 'sub');
    await commitToOrigin(lab, 'main', {});
    await rm(path, { recursive: true });
    await begin();
  });

  it('is no finished work before git knows its files, and goes on no account away with them', async () => {
    expect(await readdir(join(path, 'sub'))).toContain('a.txt');
    await rm(join(path, 'sub', '.git'), { recursive: true });
    await put(path, { 'sub/own.txt': 'mine\n' });
    expect(await done()).toMatch(/sub was a submodule and is a folder now.*`git rm --cached -- sub`, `git add -- sub`/);
    await save();
    expect(await remove()).toMatchObject({
      removed: false,
      reason: expect.stringContaining('keeps none of its files'),
    });
    await git(path, 'rm', '--quiet', '--cached', '--', 'sub');
    await git(path, 'add', '--', 'sub');
    await commit(path, {});
    await isDone();
    expect(await filesOf('HEAD'.replace('HEAD', await git(path, 'rev-parse', 'HEAD')))).toContain('100644 sub/own.txt');
    await save();
    expect(await remove()).toMatchObject({ removed: true });
  });
});

const odd = ['--all', '-f', ':(top)x', '*', 'a\nb', '"q"\\', 'HEAD', 'x y ', '!not', '#hash', '..two', 'Ünï\u202ecode'];

describe('whatever an agent has done to its tree and its git, a save holds all of it, and the commit is taken', () => {
  it.each<[string, () => Promise<unknown>, string[]]>([
    [
      'a file for a folder and a folder for a file, a mode alone, links to anywhere, and names of every kind',
      async () => {
        await rm(join(path, 'folder'), { recursive: true });
        await put(path, { folder: 'f\n', 'a.txt': undefined });
        await put(path, { 'a.txt/deep/x': 'x\n' });
        await chmod(join(path, 'README.md'), 0o755);
        await symlink('/etc/passwd', join(path, 'out'));
        await symlink('nowhere', join(path, 'to nothing'));
        await symlink('circle', join(path, 'circle'));
        await rename(join(path, 'place'), join(path, 'moved'));
        await symlink('/etc', join(path, 'place'));
        await put(path, Object.fromEntries(odd.map((name) => [name, 'x\n'])));
      },
      [
        ...['100644 a.txt/deep/x', '100644 folder', '100755 README.md', '100644 moved/c.txt'],
        ...['120000 circle', '120000 out', '120000 place', '120000 to nothing'],
        ...odd.map((name) => `100644 ${name}`),
      ],
    ],
    [
      'a sparse checkout with a sparse index',
      async () => {
        await git(path, 'sparse-checkout', 'init', '--cone', '--sparse-index');
        await git(path, 'sparse-checkout', 'set', 'other');
        await put(path, { 'other/new.txt': 'n\n' });
        expect(await readdir(path)).not.toContain('folder');
      },
      ['100644 folder/b.txt', '100644 other/new.txt'],
    ],
    [
      'a worktree elsewhere, replace refs and grafts, a history cut short, locks of a git that was killed',
      async () => {
        const other = await commit(lab.seed, { 'other.txt': 'o\n' });
        await git(path, 'fetch', '--quiet', lab.seed, other);
        await git(path, 'replace', base, other);
        await git(path, 'fetch', '--quiet', '--depth', '1', `file://${lab.origin}`, 'main');
        await git(path, 'config', 'core.worktree', lab.dir);
        await put(path, { '.git/info/grafts': `${base}\n`, 'new.txt': 'n\n' });
        await put(join(path, '.git'), { 'index.lock': '', 'HEAD.lock': '', 'config.lock': '' });
      },
      ['100644 new.txt'],
    ],
  ])('%s', async (_what, act, files) => {
    await act();
    const saved = await save();
    expect(await filesOf(saved)).toEqual(expect.arrayContaining(files));
    await rm(join(path, '.git', 'index.lock'), { force: true });
    await rm(join(path, '.git', 'HEAD.lock'), { force: true });
    await git(path, '--work-tree', path, 'add', '--all', '--sparse');
    await git(path, '--work-tree', path, 'commit', '--quiet', '-m', 'work');
    await isDone();
    expect(await filesOf(await git(path, 'rev-parse', 'HEAD'))).toEqual(expect.arrayContaining(files));
    await save();
    expect(await remove()).toMatchObject({ removed: true });
  });
});

it('changes that an agent has told git not to look for are part of a save', async () => {
  await git(path, 'update-index', '--assume-unchanged', 'a.txt');
  await git(path, 'update-index', '--skip-worktree', 'folder/b.txt');
  await put(path, { 'a.txt': 'hidden\n', 'folder/b.txt': 'hidden too\n' });
  const saved = await save();
  expect(await git(mirror, 'show', `${saved}:a.txt`, `${saved}:folder/b.txt`)).toBe('hidden\nhidden too');
  // They stay hidden from whoever asks the agent's own git.
  expect(await git(path, 'status', '--porcelain')).toBe('');
});

it('objects that an agent borrows from elsewhere are brought with its commit', async () => {
  await git(lab.seed, 'fetch', '--quiet', lab.origin, 'main');
  await git(lab.seed, 'checkout', '--quiet', '--detach', base);
  const sha = await commit(lab.seed, { 'borrowed.txt': 'b\n' });
  await put(path, {
    '.git/objects/info/alternates': `${join(mirror, 'objects')}\n${join(lab.seed, '.git', 'objects')}\n`,
  });
  await git(path, 'reset', '--quiet', '--hard', sha);
  await isDone();
  await rm(lab.seed, { recursive: true });
  expect(await git(mirror, 'show', `${sha}:borrowed.txt`)).toBe('b');
});

it('an object that an agent forges under an id of the mirror is not believed', async () => {
  const id = await git(path, 'rev-parse', `${base}:a.txt`);
  const forged = deflateSync(Buffer.from('blob 7\0forged\n'));
  await mkdir(join(path, '.git', 'objects', id.slice(0, 2)), { recursive: true });
  await writeFile(join(path, '.git', 'objects', id.slice(0, 2), id.slice(2)), forged);
  await put(path, { 'a.txt': 'mine\n' });
  // Its own git believes it: it looks into its own objects first.
  expect(await git(path, 'cat-file', 'blob', id)).toBe('forged');
  expect(await worktreeDiff(path, base)).toMatch(/^-a\n\+mine$/m);
});

it('a HEAD that names no ref is trouble, wherever it leads, and what stands in the tree is saved', async () => {
  await put(path, { 'new.txt': 'n\n', '.git/HEAD': 'ref: refs/heads/../../../../../seed/.git/refs/heads/main\n' });
  const saved = await saveWip({ worktree: path, bead, attempt, push: true, remote: lab.origin });
  expect(saved.trouble).toMatch(/its HEAD names something that is no ref/);
  expect(await filesOf(saved.checkpoint.sha)).toContain('100644 new.txt');
  expect(await git(mirror, 'merge-base', '--is-ancestor', base, saved.checkpoint.sha)).toBe('');
});

it('tags, notes and a commit of a detached HEAD that nobody else has are kept when the tree goes', async () => {
  const sha = await commit(path, { 'new.txt': 'n\n' });
  await git(path, 'tag', '-a', '-m', 'a tag', 'v1');
  await git(path, 'notes', 'add', '-m', 'a note');
  await git(path, 'checkout', '--quiet', '--detach');
  const detached = await commit(path, { 'more.txt': 'm\n' });
  await isDone();
  await save();
  expect(await remove()).toMatchObject({ removed: true });
  const kept = await git(mirror, 'for-each-ref', '--format=%(refname)', 'refs/heartbead-kept');
  expect(kept).toBe(
    `refs/heartbead-kept/${bead}/${attempt}/notes/commits\nrefs/heartbead-kept/${bead}/${attempt}/tags/v1`,
  );
  expect(await git(lab.origin, 'merge-base', '--is-ancestor', sha, detached)).toBe('');
});

it.each([
  ['1970', '@0 +0000'],
  ['2100', '@4102444800 +1400'],
])('a commit of the year %s, by somebody else, is finished work like any other', async (_year, date) => {
  await put(path, { 'new.txt': 'n\n' });
  await git(path, 'add', '--all');
  await execa('git', ['-C', path, 'commit', '--quiet', '-m', 'old'], {
    env: {
      GIT_AUTHOR_NAME: 'Eve "E" O\'Neil',
      GIT_AUTHOR_EMAIL: 'eve@example.org',
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: 'Eve',
      GIT_COMMITTER_EMAIL: 'eve@example.org',
      GIT_COMMITTER_DATE: date,
    },
  });
  await isDone();
  await save();
  expect(await remove()).toMatchObject({ removed: true });
});

it('a repository whose ids are of sha256: saved, finished, proven and removed', async () => {
  const origin = join(lab.dir, 'sha256.git');
  await git(lab.dir, 'init', '--quiet', '--bare', '--object-format=sha256', origin);
  const seed = join(lab.dir, 'seed256');
  await git(lab.dir, 'init', '--quiet', '--object-format=sha256', seed);
  await commit(seed, { 'a.txt': 'a\n' });
  await git(seed, 'push', '--quiet', origin, 'HEAD:refs/heads/main');
  Object.assign(lab, { origin });
  await rm(path, { recursive: true });
  await begin();
  expect(base).toHaveLength(64);
  await put(path, { 'new.txt': 'n\n' });
  expect(await filesOf(await save())).toContain('100644 new.txt');
  await commit(path, {});
  await isDone();
  expect(await remove()).toMatchObject({ removed: true });
});

it('many small files are saved in a breath', async () => {
  await mkdir(join(path, 'many'));
  await Promise.all(Array.from({ length: 3_000 }, (_, n) => writeFile(join(path, 'many', `${n}`), `${n}\n`)));
  expect(await filesOf(await save())).toHaveLength(3_005);
  expect(await done()).toMatch(/there is uncommitted work: many\/; commit/);
});
