import { createHash, randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execaSync } from 'execa';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createWorktree,
  pushBranch,
  pushRefusal,
  resolveBase,
  saveWip,
  worktreeStatus,
} from '../../../src/git/index.js';
import type { GitError } from '../../../src/git/index.js';
import { contentsOf } from '../../../src/git/lfs/place.js';
import { usesLfs } from '../../../src/git/lfs/pointers.js';
import { uploadContents } from '../../../src/git/lfs/upload.js';
import { makeScratch } from '../../../src/git/merge/scratch-tree.js';
import { startLfsServer } from '../../support/lfs-server.js';
import type { LfsServer } from '../../support/lfs-server.js';
import { findLfs, withoutLfs } from '../../support/programs.js';
import { commit, commitToOrigin, git, has, mirrorOf, put, remoteSha, useLab } from './lab.js';

const program = findLfs();
const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
let path = '';
let mirror = '';
let base = '';

const oidOf = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
const place = (storage: string, oid: string): string => join(storage, 'objects', oid.slice(0, 2), oid.slice(2, 4), oid);

async function fresh(attributes = '*.bin filter=lfs diff=lfs merge=lfs -text\n'): Promise<void> {
  path = join(lab.dir, 'attempts', '1-abcd__a', 'worktree');
  await commitToOrigin(lab, 'main', { '.gitattributes': attributes });
  mirror = await mirrorOf(lab);
  base = (await resolveBase(mirror)).sha;
  await createWorktree({ mirror, path, branch, at: base });
}

const push = (): Promise<unknown> => pushBranch({ worktree: path, remote: lab.origin, ...ids });
const save = (): ReturnType<typeof saveWip> => saveWip({ worktree: path, remote: lab.origin, push: true, ...ids });
const failed = (promise: Promise<unknown>): Promise<GitError> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as GitError,
  );

it('is not looked for in all folders again, and found in what comes anew', async () => {
  await commitToOrigin(lab, 'main', { 'deep/er/.gitattributes': '*.txt text\n' });
  const vault = await mirrorOf(lab);
  const none = (await resolveBase(vault)).sha;
  expect([await usesLfs(vault, none), await usesLfs(vault, none)]).toEqual([false, false]);
  const more = await commitToOrigin(lab, 'main', { 'deep/a.txt': 'x' });
  await mirrorOf(lab);
  expect(await usesLfs(vault, more)).toBe(false);
  const deep = await commitToOrigin(lab, 'main', { 'deep/er/.gitattributes': '*.bin filter=lfs\n' });
  const gone = await commitToOrigin(lab, 'main', { 'deep/er/.gitattributes': undefined });
  await mirrorOf(lab);
  expect([await usesLfs(vault, deep), await usesLfs(vault, gone), await usesLfs(vault, deep)]).toEqual([
    true,
    false,
    true,
  ]);
});

// The user has never run `git lfs install` here: only the program is there.
describe.skipIf(program === undefined)(`files of Git LFS, kept beside a repository on a disk${withoutLfs}`, () => {
  beforeEach(() => vi.stubEnv('PATH', `${dirname(program ?? '')}:${process.env['PATH']}`));

  it('are uploaded before finished work is pushed, and another host makes its tree of them', async () => {
    await fresh();
    const content = randomBytes(20_000).toString('hex');
    await commit(path, { 'ein modell ü.bin': content });
    expect(await git(path, 'show', 'HEAD:ein modell ü.bin')).toContain('git-lfs.github.com/spec/v1');
    await push();
    const oid = oidOf(content);
    expect(await readFile(place(join(lab.origin, 'lfs'), oid), 'utf8')).toBe(content);

    // Nothing of this host is left; then the contents come from the remote, and are no link to what the host keeps.
    await rm(lab.root, { recursive: true });
    await rm(contentsOf(mirror), { recursive: true, force: true });
    const other = join(lab.dir, 'other', 'worktree');
    mirror = await mirrorOf(lab);
    await createWorktree({
      mirror,
      path: other,
      branch: 'heartbead/a/2-abcd',
      at: await remoteSha(lab, `refs/heads/${branch}`),
    });
    expect(await readFile(join(other, 'ein modell ü.bin'), 'utf8')).toBe(content);
    expect(await worktreeStatus(other)).toMatchObject({ dirty: false });
    await appendFile(place(join(other, '.git', 'lfs'), oid), 'x');
    const scratch = join(lab.dir, 'scratch');
    await makeScratch(mirror, scratch, base, undefined, { merging: [await remoteSha(lab, `refs/heads/${branch}`)] });
    expect(await readFile(place(join(scratch, '.git', 'lfs'), oid), 'utf8')).toBe(content);
    await git(scratch, 'merge', '--quiet', '--no-edit', `${await remoteSha(lab, `refs/heads/${branch}`)}`);
    expect(await readFile(join(scratch, 'ein modell ü.bin'), 'utf8')).toBe(content);
  });

  it('of uncommitted work are uploaded with a save, and the next attempt has them', async () => {
    await fresh();
    const content = randomBytes(20_000).toString('hex');
    await put(path, { 'a.bin': content });
    const { checkpoint, pushed, pushProblem } = await save();
    expect(pushProblem).toBeUndefined();
    expect(pushed).toBe(true);
    expect(await readFile(place(join(lab.origin, 'lfs'), oidOf(content)), 'utf8')).toBe(content);
    expect(await has(join(`${path}.keeper.git`, 'lfs'))).toBe(false);
    await rm(join(lab.origin, 'lfs'), { recursive: true });
    await rm(dirname(path), { recursive: true });
    // Also where the remote has lost them: this host keeps what it saved.
    const next = join(lab.dir, 'attempts', '2-abcd__a', 'worktree');
    await createWorktree({ mirror, path: next, branch: 'heartbead/a/2-abcd', at: checkpoint.sha, wip: true });
    expect(await readFile(join(next, 'a.bin'), 'utf8')).toBe(content);
    expect((await worktreeStatus(next)).entries).toEqual([{ kind: 'untracked', path: 'a.bin' }]);
  });

  it('whose contents are nowhere are refused, with the file and what to do; nothing is pushed', async () => {
    await fresh();
    const content = randomBytes(20_000).toString('hex');
    await commit(path, { 'a.bin': content });
    await rm(place(join(path, '.git', 'lfs'), oidOf(content)));
    const error = await failed(push());
    expect(error.message).toMatch(/a\.bin is kept by Git LFS.*neither here nor in the remote's store.*git lfs fetch/);
    expect(pushRefusal(error)).toBe('commit');
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe('');
  });

  it('are not taken from what is not what its name says, nor through a link', async () => {
    await fresh();
    const content = randomBytes(20_000).toString('hex');
    await commit(path, { 'a.bin': content });
    const file = place(join(path, '.git', 'lfs'), oidOf(content));
    await rm(file);
    await writeFile(file, `${content.slice(0, -1)}!`);
    expect((await failed(push())).message).toContain('a.bin');
    await rm(file);
    await writeFile(join(lab.dir, 'elsewhere'), content);
    await symlink(join(lab.dir, 'elsewhere'), file);
    expect((await failed(push())).message).toContain('a.bin');
  });

  it('on a host without the program are refused, and a text that looks like a pointer is none without attributes', async () => {
    await fresh();
    const content = randomBytes(20_000).toString('hex');
    await commit(path, { 'a.bin': content });
    const bare = join(lab.dir, 'bare-path');
    await mkdir(bare);
    for (const name of ['sh', 'env']) await symlink(`/usr/bin/${name}`, join(bare, name));
    const real = execaSync('sh', ['-c', 'command -v git']).stdout;
    // Git looks beside itself for its programs, too.
    await writeFile(
      join(bare, 'git'),
      '#!/bin/sh\ncase " $* " in *" lfs "*) echo "git: \'lfs\' is not a git command" >&2; exit 1;; esac\nexec ' +
        `${real} "$@"\n`,
    );
    await chmod(join(bare, 'git'), 0o755);
    const usual = process.env['PATH'] ?? '';
    vi.stubEnv('PATH', bare);
    const error = await failed(push());
    expect(error.message).toMatch(/a\.bin is kept by Git LFS, and there is no git-lfs on this host: install it/);
    expect(error.mayPass).toBe(true);
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe('');
    vi.stubEnv('PATH', usual);
    await git(path, 'rm', '--quiet', '.gitattributes');
    await git(path, 'commit', '--quiet', '-m', 'no attributes');
    vi.stubEnv('PATH', bare);
    await push();
    expect(await remoteSha(lab, `refs/heads/${branch}`)).not.toBe('');
  });

  it('that the remote has lost make no tree, and say so', async () => {
    await fresh();
    const content = randomBytes(20_000).toString('hex');
    await commit(path, { 'a.bin': content });
    await push();
    await rm(join(lab.origin, 'lfs'), { recursive: true });
    await rm(contentsOf(mirror), { recursive: true });
    const other = join(lab.dir, 'other', 'worktree');
    const make = (): Promise<unknown> =>
      remoteSha(lab, `refs/heads/${branch}`).then((at) =>
        createWorktree({ mirror, path: other, branch: 'heartbead/a/2-abcd', at }),
      );
    expect((await failed(make())).message).toMatch(
      /a\.bin is kept by Git LFS.*did not give the contents.*GIT_LFS_SKIP_SMUDGE/,
    );
    expect(await readdir(dirname(other))).toEqual([]);
    vi.stubEnv('GIT_LFS_SKIP_SMUDGE', '1');
    await make();
    expect(await readFile(join(other, 'a.bin'), 'utf8')).toContain('git-lfs.github.com');
  });
});

describe.skipIf(program === undefined)(`files of Git LFS, kept by a server${withoutLfs}`, () => {
  let server: LfsServer;
  const content = randomBytes(20_000).toString('hex');
  beforeEach(async () => {
    vi.stubEnv('PATH', `${dirname(program ?? '')}:${process.env['PATH']}`);
    server = await startLfsServer();
    await commitToOrigin(lab, 'main', { '.lfsconfig': `[lfs]\n\turl = ${server.url}\n\tlocksverify = false\n` });
    await fresh();
  });
  afterEach(() => server.close());

  it('are there before the commits are, and are asked for once more when nothing is left to upload', async () => {
    await commit(path, { 'a.bin': content, 'b.bin': `${content}b` });
    await push();
    expect([...server.objects.keys()].sort()).toEqual([oidOf(content), oidOf(`${content}b`)].sort());
    expect(server.asked.filter((what) => what === 'PUT')).toHaveLength(2);
    expect(server.asked.at(-1)).toBe('download 2');
    server.asked.length = 0;
    await commit(path, { x: '1' });
    await push();
    expect(server.asked).toEqual(['download 2']);
  });

  it('are not believed to be there because the program has ended well', async () => {
    server.forgets = true;
    await commit(path, { 'a.bin': content });
    const error = await failed(push());
    expect(error.message).toMatch(/git-lfs ended well, but the remote's store does not have a\.bin/);
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe('');
    server.forgets = false;
    await push();
    expect(server.objects.has(oidOf(content))).toBe(true);
  });

  it('that it refuses keep the commits back, in its own words; a save stays on the host meanwhile', async () => {
    await commit(path, { 'a.bin': content });
    // Else git-lfs waits up to ten seconds between each two of its nine tries.
    await appendFile(lab.config, '[lfs "transfer"]\n\tmaxretries = 1\n\tmaxretrydelay = 0\n');
    // With this answer git-lfs ends well.
    server.refuses = 422;
    expect((await failed(push())).message).toMatch(/git-lfs ended well, but .*a\.bin \(it said: .*Content-Type/);
    server.refuses = 403;
    expect((await failed(push())).message).toMatch(/could not be uploaded.*so the commits are not pushed/);
    const { pushed, pushProblem } = await save();
    expect(pushed).toBe(false);
    expect(pushProblem?.message).toContain('Git LFS');
    expect(await readFile(place(contentsOf(mirror), oidOf(content)), 'utf8')).toBe(content);
  });

  it('are asked for with the credentials that git has for it', async () => {
    server.authorization = `Basic ${Buffer.from('ada:secret').toString('base64')}`;
    await appendFile(lab.config, `[credential]\n\thelper = "!f() { echo username=ada; echo password=secret; }; f"\n`);
    await commit(path, { 'a.bin': content });
    await push();
    expect(server.objects.has(oidOf(content))).toBe(true);
    expect(server.asked.at(-1)).toBe('download 1');
  });

  it('go to where the default branch says, whatever an agent writes there', async () => {
    const mine = await startLfsServer();
    try {
      await commit(path, { '.lfsconfig': `[lfs]\n\turl = ${mine.url}\n`, 'a.bin': content });
      await push();
      expect(mine.asked).toEqual([]);
      expect(server.objects.has(oidOf(content))).toBe(true);
    } finally {
      await mine.close();
    }
  });

  it('are looked for before a merge is pushed, also of a branch that the remote has already', async () => {
    await commit(path, { 'a.bin': content });
    const sha = await git(path, 'rev-parse', 'HEAD');
    // Past the runner, as an agent with leave to push may do, and without the contents.
    await git(path, '-c', 'core.hooksPath=/dev/null', 'push', '--quiet', lab.origin, `${sha}:refs/heads/${branch}`);
    await mirrorOf(lab);
    const landing = uploadContents(mirror, lab.origin, [sha], undefined, base);
    expect((await failed(landing)).message).toMatch(/a\.bin is kept by Git LFS.*neither here nor/);
    server.objects.set(oidOf(content), Buffer.from(content));
    await uploadContents(mirror, lab.origin, [sha], undefined, base);
  });
});
