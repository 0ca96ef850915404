import { appendFile, mkdir, readFile, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createWorktree,
  pushBranch,
  resolveBase,
  saveWip,
  updateMirror,
  verifyRemote,
  worktreeStatus,
} from '../../../src/git/index.js';
import { mergeItem } from '../../../src/git/merge/merge-item.js';
import { openKeeper } from '../../../src/git/keeper.js';
import { withIndexCopy } from '../../../src/git/snapshot.js';
import { noCellHere } from '../../support/bubblewrap.js';
import { commit, commitToOrigin, git, has, mirrorOf, put, useLab } from './lab.js';

const lab = useLab();
const branch = 'heartbead/a/1-abcd';
let path = '';
beforeEach(() => {
  path = join(lab.dir, 'attempts', '1-abcd__a', 'worktree');
});

/** A fresh tree of what is on the origin's main. */
async function fresh(): Promise<{ base: string; mirror: string }> {
  const mirror = await mirrorOf(lab);
  const base = (await resolveBase(mirror)).sha;
  await createWorktree({ mirror, path, branch, at: base });
  return { base, mirror };
}

/** Commits a file to the origin's main by its bytes alone, as somebody did whose git normalized nothing. */
async function commitBytes(name: string, bytes: string): Promise<void> {
  const at = { cwd: lab.origin, env: { GIT_DIR: lab.origin, GIT_INDEX_FILE: join(lab.dir, 'bytes-index') } };
  const person = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' };
  const run = async (args: string[], input = ''): Promise<string> =>
    (await execa('git', args, { ...at, env: { ...at.env, ...person }, input })).stdout;
  const blob = await run(['hash-object', '-w', '--stdin', '--no-filters'], bytes);
  await run(['read-tree', 'main']);
  await run(['update-index', '--add', '--cacheinfo', `100644,${blob},${name}`]);
  const tree = await run(['write-tree']);
  await run(['update-ref', 'refs/heads/main', await run(['commit-tree', tree, '-p', 'main', '-m', 'bytes'])]);
}

it('a default branch without a commit is told with the branches that there are, and one of them can be named', async () => {
  await git(lab.origin, 'symbolic-ref', 'HEAD', 'refs/heads/trunk');
  await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:refs/heads/release');
  const mirror = await mirrorOf(lab);
  await expect(resolveBase(mirror)).rejects.toThrow(
    'does not say which branch is its default one: name the base of the bead (there are main, release)',
  );
  const { branch: named, sha: base } = await resolveBase(mirror, 'release');
  expect(named).toBe('release');
  await createWorktree({ mirror, path, branch, at: base });
  const sha = await commit(path, { work: 'x' });
  await pushBranch({ worktree: path, remote: lab.origin, bead: 'a', attempt: '1-abcd' });
  const evidence = { root: lab.root, repo: lab.origin, base: 'release', branch, sha };
  expect(await verifyRemote(evidence)).toMatchObject({ verdict: 'verified', sha });
  // Its first commit comes later: from then on it is the base.
  await commitToOrigin(lab, 'trunk', { first: 'x' });
  expect(await resolveBase(await mirrorOf(lab))).toMatchObject({ branch: 'trunk' });
});

it('a repository without any commit is told so', async () => {
  const empty = join(lab.dir, 'empty.git');
  await git(lab.dir, 'init', '--quiet', '--bare', empty);
  await expect(resolveBase(await mirrorOf(lab, empty))).rejects.toThrow(
    'the repository has no branch with a commit yet: push a first commit to it',
  );
});

describe('line ends that nobody has normalized', () => {
  beforeEach(async () => {
    await commitToOrigin(lab, 'main', { '.gitattributes': '* text\n' });
    await commitBytes('dös.txt', 'a\r\nb\r\n');
    await fresh();
    // Git believes what it wrote itself until the file is touched.
    await utimes(join(path, 'dös.txt'), 1, 1);
  });

  it('are no work of the agent, though git calls the file changed', async () => {
    expect(await git(path, 'status', '--porcelain')).toContain('M ');
    expect(await worktreeStatus(path)).toMatchObject({ dirty: false, entries: [] });
  });

  it('hide no change of it, nor of others', async () => {
    await writeFile(join(path, 'dös.txt'), 'a\r\nb\r\nc\r\n');
    await put(path, { 'new.txt': '1' });
    expect((await worktreeStatus(path)).entries).toEqual([
      { kind: 'changed', path: 'dös.txt' },
      { kind: 'untracked', path: 'new.txt' },
    ]);
  });

  it('hide no change of its mode', async () => {
    await execa('chmod', ['755', join(path, 'dös.txt')]);
    expect((await worktreeStatus(path)).entries).toEqual([{ kind: 'changed', path: 'dös.txt' }]);
  });
});

describe('mixed line ends that git itself makes equal in a fresh tree', () => {
  beforeEach(async () => {
    await commitToOrigin(lab, 'main', { '.gitattributes': '* text eol=crlf\n' });
    await commitBytes('mixed.txt', 'a\r\nb\n');
    await fresh();
    await utimes(join(path, 'mixed.txt'), 1, 1);
  });

  it('are no work of the agent, and hide no change of it', async () => {
    expect(await readFile(join(path, 'mixed.txt'), 'utf8')).toBe('a\r\nb\r\n');
    expect(await git(path, 'status', '--porcelain')).toContain('M mixed.txt');
    expect(await worktreeStatus(path)).toMatchObject({ dirty: false, entries: [] });
    for (const changed of ['a\r\nB\r\n', 'a\r\nb\r\nc', 'a\nb\n']) {
      await writeFile(join(path, 'mixed.txt'), changed);
      expect((await worktreeStatus(path)).entries).toEqual([{ kind: 'changed', path: 'mixed.txt' }]);
    }
    expect((await readdir(`${path}.keeper.git`)).filter((name) => name.startsWith('written-'))).toEqual([]);
  });
});

describe('a host whose user signs', () => {
  it.each([
    ['by OpenPGP', '[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n[gpg]\n\tprogram = /bin/false\n'],
    [
      'by ssh',
      '[commit]\n\tgpgSign = true\n[tag]\n\tforceSignAnnotated = true\n[gpg]\n\tformat = ssh\n[user]\n' +
        '\tsigningKey = /nowhere\n',
    ],
  ])('%s keeps no agent from committing and tagging, and no work from being saved', async (_, config) => {
    const { mirror } = await fresh();
    await appendFile(lab.config, config);
    await commit(path, { x: '1' });
    await git(path, 'tag', '-a', '-m', 'a tag', 'v1');
    await put(path, { y: '1' });
    const saved = await saveWip({ worktree: path, bead: 'a', attempt: '1-abcd', push: false, remote: lab.origin });
    expect(await git(mirror, 'ls-tree', '--name-only', saved.checkpoint.sha)).toContain('y');
  });

  it('can have the agents sign by a key of theirs, which a set-up step names', async () => {
    await fresh();
    const key = join(lab.dir, 'agents key');
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    await git(path, 'config', 'gpg.format', 'ssh');
    await git(path, 'config', 'user.signingKey', key);
    await git(path, 'config', 'commit.gpgSign', 'true');
    await commit(path, { x: '1' });
    expect(await git(path, 'cat-file', 'commit', 'HEAD')).toContain('-----BEGIN SSH SIGNATURE-----');
  });
});

it('hooks that a repository brings (husky, lefthook, pre-commit) run for the agent, never for us', async () => {
  await commitToOrigin(lab, 'main', { '.husky/pre-commit': `#!/bin/sh\ntouch '${join(lab.dir, 'hooked')}'\n` });
  await fresh();
  await execa('chmod', ['755', join(path, '.husky', 'pre-commit')]);
  await git(path, 'config', 'core.hooksPath', '.husky');
  await put(path, { x: '1' });
  await saveWip({ worktree: path, bead: 'a', attempt: '1-abcd', push: false, remote: lab.origin });
  await worktreeStatus(path);
  expect(await has(join(lab.dir, 'hooked'))).toBe(false);
  await commit(path, { y: '1' });
  expect(await has(join(lab.dir, 'hooked'))).toBe(true);
});

it('a path with spaces and letters of all kinds, for the tree and in it', async () => {
  await commitToOrigin(lab, 'main', { 'Ünïcode and spaces/a "quoted" file.txt': '1', '日本/語': '2' });
  path = join(lab.dir, 'my attempts é', '1-abcd__a', 'work tree');
  await mkdir(join(path, '..'), { recursive: true });
  const { mirror } = await fresh();
  await put(path, { '日本/語': '3', 'neu und\tTab': '4' });
  expect((await worktreeStatus(path)).entries).toEqual([
    { kind: 'changed', path: '日本/語' },
    { kind: 'untracked', path: 'neu und\tTab' },
  ]);
  const saved = await saveWip({ worktree: path, bead: 'a', attempt: '1-abcd', push: false, remote: lab.origin });
  expect(await git(mirror, 'show', `${saved.checkpoint.sha}:日本/語`)).toBe('3');
});

it.skipIf(process.platform !== 'linux')(
  'spaces, letters of all kinds and names that differ in case only, everywhere: from a fresh tree to landed',
  async () => {
    const origin = join(lab.dir, 'das Repo é 日本.git');
    const target = 'zweig/größe-日本';
    await commitToOrigin(lab, 'main', { README: 'a\n', readme: 'b\n', 'Dir/x': '1\n', 'ü b/"q"\t.txt': '2\n' });
    await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, origin);
    for (const name of [target, 'Zweig', 'ZWEIG']) await git(origin, 'branch', name, 'main');
    const state = join(lab.dir, 'Zustand ü');
    const root = join(state, 'mirrors');
    await mkdir(root, { recursive: true });
    const { path: mirror } = await updateMirror({ root, repo: origin });
    path = join(state, 'attempts', '1-abcd__a', 'a-1-abcd');
    await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror, target)).sha });
    expect((await worktreeStatus(path)).entries).toEqual([]);
    await put(path, { README: 'A\n', readme: 'B\n', 'neu é/ä ö': '3\n', 'dir/X': '4\n' });
    const ids = { worktree: path, bead: 'a', attempt: '1-abcd', remote: origin };
    expect(await saveWip({ ...ids, push: true })).toMatchObject({ pushed: true });
    await commit(path, {}, 'Größe: é');
    const { sha } = await pushBranch(ids);
    expect(await verifyRemote({ root, repo: origin, branch, sha, base: target })).toMatchObject({
      verdict: 'verified',
    });
    const outcome = await mergeItem(
      {
        repo: origin,
        mirrors: root,
        scratch: join(state, 'refinery', 'rig', 'a'),
        item: { item: 'a', branch, sha, target, title: 'Größe "é"' },
        runChecks: () => Promise.resolve(undefined),
        say: () => undefined,
        warn: (text, error) => expect([text, error]).toBeUndefined(),
        observe: () => undefined,
        confirm: () => undefined,
      },
      'squash',
    );
    expect(outcome).toMatchObject({ outcome: 'merged', target });
    expect((await git(origin, 'ls-tree', '-r', '-z', '--name-only', target)).split('\0').filter(Boolean)).toEqual([
      'Dir/x',
      'README',
      'README.md',
      'dir/X',
      'neu é/ä ö',
      'readme',
      'ü b/"q"\t.txt',
    ]);
    for (const [name, text] of [
      ['README', 'A'],
      ['readme', 'B'],
    ])
      expect(await git(origin, 'show', `${target}:${name}`)).toBe(text);
  },
);

it('the copy of an index is as old as the index: a file that changed in the moment of its checkout is looked into', async () => {
  await fresh();
  const own = join(path, '.git', 'index');
  // Git trusts what it remembers of a file only where the index was written later than the file.
  await utimes(own, 1_000, 1_000);
  const keeper = await openKeeper(path);
  const copy = await withIndexCopy(keeper, undefined, false, undefined, (env) => stat(env['GIT_INDEX_FILE'] ?? ''));
  expect(copy.mtimeMs).toBe(1_000_000);
});

it('branches that differ in case only are two', async () => {
  const upper = await commitToOrigin(lab, 'main', { upper: '1' });
  await git(lab.origin, 'branch', 'Feature', upper);
  const lower = await commitToOrigin(lab, 'main', { lower: '1' });
  await git(lab.origin, 'branch', 'feature', lower);
  const mirror = await mirrorOf(lab);
  expect((await resolveBase(mirror, 'Feature')).sha).toBe(upper);
  expect((await resolveBase(mirror, 'feature')).sha).toBe(lower);
  await createWorktree({ mirror, path, branch, at: upper });
  expect(await git(path, 'rev-parse', 'origin/Feature', 'origin/feature')).toBe(`${upper}\n${lower}`);
});

it.skipIf(noCellHere() !== undefined)(
  'a tree that is mounted into a container works there, under any path, with what it borrows beside it',
  async () => {
    const { base } = await fresh();
    const borrowed = (await readFile(join(path, '.git', 'objects', 'info', 'alternates'), 'utf8')).trim();
    /** Runs git where this host's temporary files are not: only the tree is, under another path, and what is named. */
    const within = async (args: string[], ...mounted: string[]): Promise<{ failed: boolean; stdout: string }> =>
      execa(
        'bwrap',
        [
          ...['--ro-bind', '/', '/', '--dev', '/dev', '--tmpfs', tmpdir()],
          ...mounted.flatMap((folder) => ['--ro-bind', folder, folder]),
          ...['--bind', path, join(tmpdir(), 'w'), '--chdir', join(tmpdir(), 'w')],
          ...['git', '-c', 'user.name=a', '-c', 'user.email=a@b', ...args],
        ],
        { reject: false },
      );
    expect((await within(['log', '-1', '--format=%H'])).failed).toBe(true);
    expect(await within(['log', '-1', '--format=%H'], borrowed)).toMatchObject({ failed: false, stdout: base });
    expect(await within(['status', '--porcelain'], borrowed)).toMatchObject({ failed: false, stdout: '' });
    expect(await within(['commit', '--quiet', '--allow-empty', '-m', 'within'], borrowed)).toMatchObject({
      failed: false,
    });
    const saved = await saveWip({ worktree: path, bead: 'a', attempt: '1-abcd', push: true, remote: lab.origin });
    expect(saved).toMatchObject({
      pushed: true,
      checkpoint: { wip: false, sha: await git(path, 'rev-parse', 'HEAD') },
    });
    expect(await git(lab.origin, 'log', '-1', '--format=%s', saved.checkpoint.sha)).toBe('within');
  },
);
