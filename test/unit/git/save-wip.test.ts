import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Saves } from '../../../src/contract/index.js';
import { createWorktree, resolveBase, saveRulesOf, saveWip, worktreeStatus } from '../../../src/git/index.js';
import type { SavedWip } from '../../../src/git/index.js';
import { openKeeper } from '../../../src/git/keeper.js';
import { leftOutOf } from '../../../src/git/save-rules.js';
import { commit, commitToOrigin, git, has, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
const ref = 'refs/heartbead/a/1-abcd/wip';
let mirror = '';
let path = '';
let base = '';
let admin = '';

beforeEach(async () => {
  base = await commitToOrigin(lab, 'main', {
    '.gitignore': 'ignored/\n*.log\n',
    'keep.txt': 'keep\n',
    'run.sh': '#!/bin/sh\n',
    'gone.txt': 'gone\n',
  });
  mirror = await mirrorOf(lab);
  path = join(lab.dir, 'w');
  admin = join(path, '.git');
  await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror)).sha });
});

const save = (push = true): Promise<SavedWip> => saveWip({ worktree: path, ...ids, push, remote: lab.origin });
const files = (sha: string): Promise<string> =>
  git(mirror, '-c', 'core.quotePath=false', 'ls-tree', '-r', '--name-only', sha);
const show = (sha: string, name: string): Promise<string> => git(mirror, 'show', `${sha}:${name}`);
/** Everything of the agent's that a save must not change. */
const agents = async (): Promise<unknown> => ({
  index: await readFile(join(admin, 'index')).catch(() => undefined),
  head: await readFile(join(admin, 'HEAD'), 'utf8'),
  refs: await git(path, 'for-each-ref'),
  status: await git(path, 'status', '--porcelain'),
  admin: await readdir(admin),
});
/** Restores a save into a fresh worktree. */
async function restored(saved: SavedWip): Promise<string> {
  const to = join(lab.dir, 'restored');
  await createWorktree({
    mirror,
    path: to,
    branch: 'heartbead/a/2-efgh',
    at: saved.checkpoint.sha,
    wip: saved.checkpoint.wip,
  });
  return to;
}

it('as the rig wants it: without untracked files, or with other limits', async () => {
  await put(path, { 'keep.txt': 'changed\n', 'new.txt': 'new\n', 'big.bin': 'x'.repeat(3_000) });
  const saved = (saves: Saves): Promise<SavedWip> =>
    saveWip({ worktree: path, ...ids, push: false, remote: lab.origin, rules: saveRulesOf(saves) });
  const tracked = await saved({ policy: 'tracked' });
  expect(await show(tracked.checkpoint.sha, 'keep.txt')).toBe('changed');
  expect(await files(tracked.checkpoint.sha)).not.toMatch(/new\.txt|big\.bin/);
  expect(tracked.unsaved).toBeUndefined();
  const small = await saved({ fileBytes: 1_000 });
  expect(await files(small.checkpoint.sha)).toMatch(/new\.txt/);
  expect(small.unsaved?.join()).toMatch(/big\.bin/);
  expect((await saved({})).unsaved).toBeUndefined();
});

describe('what was gained', () => {
  const since = async (sha: string): Promise<boolean | undefined> =>
    (await saveWip({ worktree: path, ...ids, push: false, remote: lab.origin, since: sha })).checkpoint.gained;

  it('is nothing without a change, something as soon as a file differs, and nothing again when it is undone', async () => {
    expect(await since(base)).toBeUndefined();
    await put(path, { 'keep.txt': 'changed\n' });
    expect(await since(base)).toBe(true);
    await put(path, { 'keep.txt': 'keep\n' });
    expect(await since(base)).toBeUndefined();
    await commit(path, { 'new.txt': 'new\n' });
    expect(await since(base)).toBe(true);
  });

  it('is nothing when an attempt saves again what an earlier one had saved, though the commit is another', async () => {
    await put(path, { 'keep.txt': 'half done\n' });
    const first = (await save()).checkpoint;
    const at = join(lab.dir, 'second');
    await createWorktree({ mirror, path: at, branch: 'heartbead/a/2-efgh', at: first.sha, wip: first.wip });
    const again = (): Promise<SavedWip> =>
      saveWip({ worktree: at, bead: 'a', attempt: '2-efgh', push: false, remote: lab.origin, since: first.sha });
    const second = (await again()).checkpoint;
    expect([second.sha === first.sha, second.gained]).toEqual([false, undefined]);
    // That it was committed is no work either.
    await git(at, 'commit', '-aqm', 'half done');
    expect((await again()).checkpoint.gained).toBeUndefined();
    await put(at, { 'keep.txt': 'done\n' });
    expect((await again()).checkpoint.gained).toBe(true);
  });
});

describe('what a save leaves out', () => {
  it('files whose names say that they hold secrets: they are named, and never get to mirror or remote', async () => {
    await put(path, {
      '.env': 'KEY=hunter2',
      '.env.example': 'KEY=',
      'deploy/id_ed25519': 'private',
      'deploy/id_ed25519.pub': 'public',
      'server.pem': 'private',
      'work.txt': 'work',
      'keep.txt': 'changed',
    });
    const { checkpoint, unsaved, pushed } = await save();
    expect(pushed).toBe(true);
    expect((await files(checkpoint.sha)).split('\n')).toEqual(
      [
        '.env.example',
        '.gitignore',
        'README.md',
        'deploy/id_ed25519.pub',
        'gone.txt',
        'keep.txt',
        'run.sh',
        'work.txt',
      ].sort(),
    );
    expect(await show(checkpoint.sha, 'keep.txt')).toBe('changed');
    expect(unsaved).toEqual(
      ['.env', 'deploy/id_ed25519', 'server.pem'].map(
        (name) => `${name} is left out: its name says that it holds secrets`,
      ),
    );
    const secret = await git(path, 'hash-object', '.env');
    for (const repository of [mirror, lab.origin])
      await expect(git(repository, 'cat-file', '-e', secret)).rejects.toThrow();
  });

  it('untracked files above a limit, one by one and together; a tree of nothing else is clean', async () => {
    await writeFile(join(path, 'core'), Buffer.alloc(11 * 1024 * 1024, 1));
    const { checkpoint, unsaved } = await save();
    expect(checkpoint).toMatchObject({ sha: await git(path, 'rev-parse', 'HEAD'), wip: false });
    expect(unsaved).toEqual(['core is left out: it has 11 MB, more than 10 MB']);
    await rm(join(path, 'core'));
    await put(path, { a: 'a'.repeat(600), b: 'b'.repeat(500), c: 'c' });
    const left = await leftOutOf(await openKeeper(path), { fileBytes: 10_000, allBytes: 800 }, {}, undefined);
    expect(left.map((file) => file.path)).toEqual(['a']);
  });

  it('nothing that the agent itself has added, whatever its name', async () => {
    await put(path, { '.env': 'not a secret' });
    await git(path, 'add', '.env');
    const { checkpoint, unsaved } = await save();
    expect(unsaved).toBeUndefined();
    expect(await show(checkpoint.sha, '.env')).toBe('not a secret');
  });
});

describe('what counts as pushed', () => {
  it('is what the remote has when it is asked, not what git push said', async () => {
    await writeFile(join(lab.origin, 'hooks', 'post-receive'), `#!/bin/sh\ngit update-ref -d ${ref}\n`, {
      mode: 0o755,
    });
    await put(path, { a: '1' });
    const saved = await save();
    expect(saved).toMatchObject({ pushed: false, pushProblem: { kind: 'rejected' } });
    expect(saved.pushProblem?.message).toContain(`the remote has nothing at ${ref}`);
  });

  it('is no claim of a ref that anybody may write', async () => {
    await put(path, { a: '1' });
    const { checkpoint } = await save(false);
    await git(mirror, 'update-ref', 'refs/heartbead-pushed/a/1-abcd', checkpoint.sha);
    expect(await save(false)).toMatchObject({ pushed: false });
    expect(await save()).toMatchObject({ pushed: true });
    expect(await remoteSha(lab, ref)).toBe(checkpoint.sha);
  });
});

describe('saved work in progress', () => {
  it('holds new, changed and removed files, odd names, executable bits and links, but nothing that is ignored', async () => {
    await put(path, {
      'keep.txt': 'changed\n',
      'gone.txt': undefined,
      'neu/ä ☃\t"q".txt': 'odd\n',
      '-dash': 'd\n',
      'ignored/big': 'x',
      'a.log': 'x',
    });
    await chmod(join(path, 'run.sh'), 0o755);
    await symlink('../outside', join(path, 'link'));
    await mkdir(join(path, 'dir.to.file'));
    const saved = await save();
    expect(saved).toEqual({
      checkpoint: { sha: expect.stringMatching(/^[0-9a-f]{40}$/) as string, ref, wip: true },
      pushed: true,
      changed: true,
    });
    expect((await files(saved.checkpoint.sha)).split('\n').sort()).toEqual([
      '"neu/ä ☃\\t\\"q\\".txt"',
      '-dash',
      '.gitignore',
      'README.md',
      'keep.txt',
      'link',
      'run.sh',
    ]);
    expect(await remoteSha(lab, ref)).toBe(saved.checkpoint.sha);
    expect(await git(mirror, 'log', '-1', '--format=%an <%ae>%n%P%n%(trailers)', saved.checkpoint.sha)).toBe(
      `Heartbead <heartbead@localhost>\n${base}\nHeartbead-Wip: 1-abcd`,
    );

    const to = await restored(saved);
    expect(await readFile(join(to, 'neu/ä ☃\t"q".txt'), 'utf8')).toBe('odd\n');
    expect((await stat(join(to, 'run.sh'))).mode & 0o111).toBe(0o111);
    expect((await lstat(join(to, 'link'))).isSymbolicLink() && (await readlink(join(to, 'link')))).toBe('../outside');
    expect(await has(join(to, 'gone.txt'))).toBe(false);
    expect(await git(to, 'rev-parse', 'HEAD')).toBe(base);
    expect(await git(to, 'status', '--porcelain')).toBe(await git(path, 'status', '--porcelain'));
  });

  it('is HEAD itself when the tree is clean', async () => {
    const own = await commit(path, { own: '1' });
    expect(await save()).toEqual({ checkpoint: { sha: own, ref, wip: false }, pushed: true, changed: true });
    expect(await remoteSha(lab, ref)).toBe(own);
  });

  it('is made once for the same state, and again for the same files on another commit', async () => {
    await put(path, { x: '1' });
    const first = await save();
    expect(await save()).toEqual({ ...first, changed: false });
    await git(path, 'commit', '--quiet', '--allow-empty', '-m', 'empty');
    const second = await save();
    expect(second.changed).toBe(true);
    expect(await git(mirror, 'rev-parse', `${second.checkpoint.sha}^`)).toBe(await git(path, 'rev-parse', 'HEAD'));
  });

  it('that could not be pushed is pushed with the next save, though nothing has changed since', async () => {
    const hook = join(lab.origin, 'hooks', 'pre-receive');
    await writeFile(hook, '#!/bin/sh\necho no saves on friday >&2\nexit 1\n', { mode: 0o755 });
    await put(path, { x: '1' });
    const first = await save();
    expect(first).toMatchObject({
      pushed: false,
      changed: true,
      pushProblem: { kind: 'rejected', message: expect.stringContaining('hook declined') as string },
    });
    expect(first.pushProblem?.stderr).toContain('no saves on friday');
    await rm(hook);
    expect(await save(false)).toMatchObject({ pushed: false, changed: false });
    expect(await save()).toEqual({ checkpoint: first.checkpoint, pushed: true, changed: false });
    expect(await remoteSha(lab, ref)).toBe(first.checkpoint.sha);
  });

  it('on a branch without any commit is built on what the agent had before, and that is told', async () => {
    const own = await commit(path, { own: '1' });
    await save();
    await git(path, 'checkout', '--quiet', '--orphan', 'fresh');
    await put(path, { x: '1' });
    const saved = await save();
    expect(saved).toMatchObject({ checkpoint: { wip: true }, trouble: expect.stringContaining('fresh') as string });
    expect(await git(mirror, 'rev-parse', `${saved.checkpoint.sha}^`)).toBe(own);
    expect(await save()).toMatchObject({ changed: false, checkpoint: saved.checkpoint });
    expect(await readFile(join(await restored(saved), 'keep.txt'), 'utf8')).toBe('keep\n');
  });

  it.each<[string, (own: string) => Promise<unknown>]>([
    [
      'is an empty file after a power cut',
      async (own) => {
        const object = join(path, '.git', 'objects', own.slice(0, 2), own.slice(2));
        await chmod(object, 0o600);
        await writeFile(object, '');
      },
    ],
    ['is missing', (own) => rm(join(path, '.git', 'objects', own.slice(0, 2), own.slice(2)))],
    ['has lost all its objects', () => rm(join(path, '.git', 'objects'), { recursive: true })],
  ])('whose last commit %s is built on the last save, and that is told', async (_what, damage) => {
    await put(path, { x: '1' });
    const before = await save();
    const own = await commit(path, { own: '1' });
    await put(path, { y: '1' });
    await damage(own);
    const saved = await save();
    expect(saved).toMatchObject({ pushed: true, trouble: expect.stringContaining(own) as string });
    expect(await git(mirror, 'rev-parse', `${saved.checkpoint.sha}^`, `${before.checkpoint.sha}^`)).toBe(
      `${base}\n${base}`,
    );
    expect(await files(saved.checkpoint.sha)).toContain('own');
    await expect(worktreeStatus(path)).rejects.toThrow(/HEAD|last commit/);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['was removed', () => rm(join(path, '.git'), { recursive: true })],
    [
      'is a file',
      async () => (await rm(join(path, '.git'), { recursive: true }), put(path, { '.git': 'gitdir: /\n' })),
    ],
    [
      'is a link to another repository',
      async () => (
        await rm(join(path, '.git'), { recursive: true }),
        symlink(join(lab.seed, '.git'), join(path, '.git'))
      ),
    ],
    ['has a HEAD without end', async () => (await rm(join(admin, 'HEAD')), symlink('/dev/zero', join(admin, 'HEAD')))],
    ['has a configuration that nobody can read', () => writeFile(join(admin, 'config'), 'rubbish [\n')],
  ])('of a tree whose .git %s has every file', async (what, damage) => {
    await put(path, { x: '1', 'keep.txt': 'changed\n' });
    await damage();
    const saved = await save();
    expect(saved).toMatchObject({ pushed: true, checkpoint: { wip: true } });
    expect(await show(saved.checkpoint.sha, 'keep.txt')).toBe('changed');
    expect(await files(saved.checkpoint.sha)).toContain('x');
    expect(saved.trouble === undefined).toBe(what.startsWith('has a configuration'));
  });

  it('keeps what was added in spite of .gitignore, and what a sparse checkout leaves out', async () => {
    await put(path, { 'ignored/wanted': '1' });
    await git(path, 'add', '--force', 'ignored/wanted');
    await git(path, 'sparse-checkout', 'set', '--no-cone', '/README.md', '/.gitignore', '/ignored/');
    const saved = await save();
    expect((await files(saved.checkpoint.sha)).split('\n')).toEqual([
      '.gitignore',
      'README.md',
      'gone.txt',
      'ignored/wanted',
      'keep.txt',
      'run.sh',
    ]);
  });
});

describe("saving leaves the agent's own git alone", () => {
  it('with staged and unstaged changes', async () => {
    await put(path, { 'keep.txt': 'staged\n', staged: '1' });
    await git(path, 'add', 'keep.txt', 'staged');
    await put(path, { 'keep.txt': 'unstaged\n', untracked: '1' });
    const before = await agents();
    const saved = await save();
    expect(await agents()).toEqual(before);
    expect(await show(saved.checkpoint.sha, 'keep.txt')).toBe('unstaged');
  });

  it('while the agent holds index.lock', async () => {
    await put(path, { x: '1' });
    await writeFile(join(admin, 'index.lock'), '');
    const before = await agents();
    const saved = await save();
    expect(await agents()).toEqual(before);
    expect(await show(saved.checkpoint.sha, 'x')).toBe('1');
  });

  it('in the middle of a merge with conflicts', async () => {
    await commit(path, { 'keep.txt': 'ours\n' });
    await git(path, 'checkout', '--quiet', '-b', 'other', base);
    await commit(path, { 'keep.txt': 'theirs\n' });
    await git(path, 'checkout', '--quiet', branch);
    await expect(git(path, 'merge', 'other')).rejects.toThrow();
    const before = await agents();
    const saved = await save();
    expect(await agents()).toEqual(before);
    expect(await show(saved.checkpoint.sha, 'keep.txt')).toContain('<<<<<<<');
    expect(await git(path, 'ls-files', '--unmerged')).not.toBe('');
  });

  it('in the middle of a rebase', async () => {
    await commit(path, { 'keep.txt': 'ours\n' });
    const upstream = await commitToOrigin(lab, 'main', { 'keep.txt': 'theirs\n' });
    await mirrorOf(lab);
    await expect(git(path, 'rebase', upstream)).rejects.toThrow();
    const before = await agents();
    const saved = await save();
    expect(await agents()).toEqual(before);
    expect(await git(mirror, 'rev-parse', `${saved.checkpoint.sha}^`)).toBe(upstream);
    await git(path, 'rebase', '--abort');
  });

  it('which cannot be read: a damaged or missing index is replaced for the save only', async () => {
    await put(path, { x: '1' });
    for (const damage of [() => writeFile(join(admin, 'index'), 'garbage'), () => rm(join(admin, 'index'))]) {
      await damage();
      const saved = await save();
      expect((await files(saved.checkpoint.sha)).split('\n')).toEqual([
        '.gitignore',
        'README.md',
        'gone.txt',
        'keep.txt',
        'run.sh',
        'x',
      ]);
    }
    expect(await has(join(admin, 'index'))).toBe(false);
  });

  it('and runs none of its hooks, nor signs, nor asks who it is', async () => {
    for (const hook of [
      'pre-commit',
      'commit-msg',
      'post-commit',
      'pre-push',
      'reference-transaction',
      'post-index-change',
    ]) {
      await writeFile(join(admin, 'hooks', hook), `#!/bin/sh\ntouch ${join(lab.dir, 'hooked')}\nexit 1\n`, {
        mode: 0o755,
      });
    }
    await git(path, 'config', 'commit.gpgSign', 'true');
    await git(path, 'config', 'gpg.program', '/bin/false');
    await put(path, { x: '1' });
    expect(await save()).toMatchObject({ pushed: true });
    expect(await has(join(lab.dir, 'hooked'))).toBe(false);
  });

  it('and never takes the repository around it for its own when .git is gone', async () => {
    await git(lab.dir, 'init', '--quiet');
    await commit(lab.dir, { 'operators.txt': '1' });
    await rm(join(path, '.git'), { recursive: true });
    const saved = await save();
    expect(saved.trouble).toContain('.git was removed');
    expect(await files(saved.checkpoint.sha)).not.toContain('operators');
    expect(await git(mirror, 'rev-parse', `${saved.checkpoint.sha}`)).toBe(base);
    await expect(worktreeStatus(path)).rejects.toThrow(/no longer a git worktree/);
  });
});

describe('what cannot be saved whole', () => {
  it('is named: a repository within of which only the commit is kept', async () => {
    const inner = join(path, 'vendor', 'lib');
    await mkdir(inner, { recursive: true });
    await git(inner, 'init', '--quiet');
    const head = await commit(inner, { f: '1' });
    await put(path, { x: '1' });
    const saved = await save();
    expect(saved).toMatchObject({ pushed: true, unsaved: [expect.stringContaining('vendor/lib') as string] });
    expect(await git(mirror, 'ls-tree', saved.checkpoint.sha, 'vendor/')).toContain(head);
    expect(await show(saved.checkpoint.sha, 'x')).toBe('1');
  });

  it('is named, and the rest is saved: a repository within that has no commit yet', async () => {
    await git(path, 'init', '--quiet', 'within');
    await put(path, { x: '1', 'within/f': '2' });
    const saved = await save();
    expect(saved.unsaved?.join()).toContain('within');
    expect(await show(saved.checkpoint.sha, 'x')).toBe('1');
  });

  it('does not stop a save: submodules, checked out and changed', async () => {
    const sub = join(lab.dir, 'sub');
    await git(lab.dir, 'init', '--quiet', sub);
    await commit(sub, { s: '1' });
    await git(path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', sub, 'sub');
    await commit(path, {});
    const inner = await commit(join(path, 'sub'), { s: '2' });
    await put(path, { x: '1', 'sub/t': 'untracked' });
    const saved = await save();
    expect(await git(mirror, 'ls-tree', saved.checkpoint.sha, 'sub')).toContain(inner);
    expect(await show(saved.checkpoint.sha, 'x')).toBe('1');
    expect(await worktreeStatus(path)).toMatchObject({ dirty: true });
  });
});

describe('after a kill', () => {
  const then = new Date(Date.now() - 7_200_000);

  it('in mid-save the next save works and clears up', async () => {
    await put(path, { x: '1' });
    await save();
    const keeper = `${path}.keeper.git`;
    await mkdir(join(keeper, 'heartbead-index-dead01'));
    await writeFile(join(keeper, 'heartbead-index-dead01', 'index.lock'), '');
    await utimes(join(keeper, 'heartbead-index-dead01'), then, then);
    await mkdir(join(keeper, 'heartbead-index-young1'));
    await writeFile(join(mirror, `${ref}.lock`), '');
    await utimes(join(mirror, `${ref}.lock`), then, then);
    await put(path, { x: '2' });
    expect(await save()).toMatchObject({ changed: true, pushed: true });
    const left = await readdir(keeper);
    expect(left).not.toContain('heartbead-index-dead01');
    expect(left.filter((name) => name.startsWith('heartbead-index-'))).toEqual(['heartbead-index-young1']);
  });
});

describe('while an agent works', () => {
  it('twenty saves among its own commands: every command of the agent succeeds, and every save', async () => {
    let working = true;
    const agent = (async () => {
      let n = 0;
      while (working) {
        n += 1;
        await put(path, { [`f${n}`]: `${n}`, 'keep.txt': `${n}\n` });
        await git(path, 'add', '--all');
        await git(path, 'status', '--porcelain');
        await git(path, 'commit', '--quiet', '-m', `${n}`);
      }
      return n;
    })();
    try {
      for (let n = 0; n < 20; n += 1) expect((await save(n % 5 === 0)).unsaved).toBeUndefined();
    } finally {
      working = false;
    }
    expect(await agent).toBeGreaterThan(0);
    const last = await save();
    expect(last).toMatchObject({ pushed: true, checkpoint: { sha: await git(path, 'rev-parse', 'HEAD'), wip: false } });
  });
});

describe('the status of a worktree', () => {
  it('tells HEAD, branch and whether anything is uncommitted', async () => {
    expect(await worktreeStatus(path)).toMatchObject({ head: base, dirty: false, branch });
    await put(path, { 'a.log': 'ignored' });
    expect((await worktreeStatus(path)).dirty).toBe(false);
    await put(path, { new: '1' });
    expect((await worktreeStatus(path)).dirty).toBe(true);
    const own = await commit(path, { 'gone.txt': undefined });
    await git(path, 'checkout', '--quiet', '--detach');
    expect(await worktreeStatus(path)).toMatchObject({ head: own, dirty: false });
    await git(path, 'checkout', '--quiet', '--orphan', 'fresh');
    expect(await worktreeStatus(path)).toMatchObject({ head: '', dirty: true, branch: 'fresh' });
  });

  it("does not take the agent's lock nor write its index", async () => {
    await put(path, { 'keep.txt': 'keep\n' });
    const before = await stat(join(admin, 'index'));
    await worktreeStatus(path);
    expect((await stat(join(admin, 'index'))).mtimeMs).toBe(before.mtimeMs);
  });
});
