/** What an agent may leave in its tree: its work is saved all the same, and the tree can be removed. */
import { mkdirSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createWorktree,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  worktreeFiles,
} from '../../../src/git/index.js';
import { commit, git, mirrorOf, put, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'lamp', attempt: '1-abcd' };
let mirror = '';
let path = '';

beforeEach(async () => {
  mirror = await mirrorOf(lab);
  path = join(lab.dir, 'attempts', '1-abcd__lamp', 'lamp-1-abcd');
  await createWorktree({ mirror, path, branch: 'heartbead/lamp/1-abcd', at: (await resolveBase(mirror)).sha });
});
const pipe = async (name: string): Promise<void> => {
  await mkdir(dirname(join(path, name)), { recursive: true });
  await rm(join(path, name), { force: true });
  await execa('mkfifo', [join(path, name)]);
};
const save = (): ReturnType<typeof saveWip> => saveWip({ worktree: path, ...ids, push: true, remote: lab.origin });

describe('a pipe that nobody writes into', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['for what is ignored', () => pipe('.gitignore')],
    ['for attributes, deep in the tree', () => pipe('a/b/.gitattributes')],
    ['for the objects that are borrowed', () => pipe('.git/objects/info/alternates')],
    [
      'by a link, for the same',
      async () => {
        await pipe('p');
        await rm(join(path, '.git/objects/info/alternates'));
        await symlink(join(path, 'p'), join(path, '.git/objects/info/alternates'));
      },
    ],
    [
      'for an object',
      async () => {
        const blob = await git(path, 'rev-parse', 'HEAD:one.txt');
        await pipe(`.git/objects/${blob.slice(0, 2)}/${blob.slice(2)}`);
      },
    ],
    [
      'for the HEAD of a repository within',
      async () => {
        await git(lab.dir, 'clone', '--quiet', lab.origin, join(path, 'inner'));
        await pipe('inner/.git/HEAD');
      },
    ],
    ['for the index', () => pipe('.git/index')],
    ['for HEAD', () => pipe('.git/HEAD')],
    ['for the branch', () => pipe('.git/refs/heads/heartbead/lamp/1-abcd')],
    [
      'for packed refs and what is excluded',
      async () => {
        await pipe('.git/packed-refs');
        await pipe('.git/info/exclude');
      },
    ],
  ])('%s, keeps no work from being saved', async (_, plant) => {
    await commit(path, { 'one.txt': '1\n' });
    await put(path, { 'two.txt': '2\n', 'a/b/three.txt': '3\n' });
    await plant();
    const began = performance.now();
    const saved = await save();
    expect(performance.now() - began).toBeLessThan(60_000);
    expect(saved.pushed).toBe(true);
    expect(await git(mirror, 'show', `${saved.checkpoint.sha}:a/b/three.txt`)).toBe('3');
    expect((await worktreeFiles(path)).map((file) => file.path)).toContain('two.txt');
  });
});

describe.skipIf(process.platform !== 'linux')('links that an agent puts in the place of', () => {
  const secret = 'a key of the host, that no agent may read\n';
  /** Whoever makes links as fast as he can has them now in place, now not. */
  const swapping = (a: string, b: string): (() => void) => {
    const script =
      'import ctypes,sys\nlibc=ctypes.CDLL(None)\na,b=[n.encode() for n in sys.argv[1:]]\n' +
      'while True: libc.renameat2(-100,a,-100,b,2)';
    const child = execa('python3', ['-c', script, join(path, a), join(path, b)], { reject: false });
    return () => void child.kill('SIGKILL');
  };
  const everything = async (): Promise<string> => {
    const { stdout } = await execa('git', ['--git-dir', mirror, 'cat-file', '--batch-all-objects', '--batch']);
    return stdout;
  };

  it.each([
    [
      'a file',
      async () => {
        await put(path, { 'notes.txt': 'x'.repeat(secret.length) });
        await symlink(join(lab.dir, 'host/key'), join(path, 'link'));
        return ['notes.txt', 'link'] as const;
      },
    ],
    [
      'a folder',
      async () => {
        await put(path, { 'notes/key': 'x'.repeat(secret.length) });
        await symlink(join(lab.dir, 'host'), join(path, 'link'));
        return ['notes', 'link'] as const;
      },
    ],
  ])('%s while it is saved bring nothing of the host into a save', async (_, plant) => {
    await mkdir(join(lab.dir, 'host'));
    await writeFile(join(lab.dir, 'host', 'key'), secret);
    const [a, b] = await plant();
    const stop = swapping(a, b);
    try {
      for (let n = 0; n < 40; n++) {
        await put(path, { 'other.txt': `${n}\n` });
        await save();
      }
    } finally {
      stop();
    }
    expect(await everything()).not.toContain(secret);
    expect(await git(lab.origin, 'show', 'refs/heartbead/lamp/1-abcd/wip:other.txt')).toBe('39');
  });
});

it('what git has of a file by its attributes is what it had', async () => {
  await put(path, { '.gitattributes': '*.txt text eol=crlf\n*.bin -text\n', 'a.txt': 'a\r\nb\r\n', 'b.bin': 'a\r\n' });
  await symlink('a.txt', join(path, 'link'));
  const { checkpoint, unsaved } = await save();
  expect(unsaved).toBeUndefined();
  expect(await git(mirror, 'cat-file', '-s', `${checkpoint.sha}:a.txt`)).toBe('4');
  expect(await git(mirror, 'cat-file', '-s', `${checkpoint.sha}:b.bin`)).toBe('3');
  expect(await git(mirror, 'show', `${checkpoint.sha}:link`)).toBe('a.txt');
});

it('tags without number are not taken into the mirror, and one commit of many names is taken once', async () => {
  const tags = async (from: number, to: number, messages: boolean): Promise<void> => {
    const main = await git(path, 'rev-parse', 'HEAD');
    const commands = Array.from({ length: to - from }, (_, n) => {
      const text = messages ? `tag ${from + n}` : 'one';
      return `commit refs/tags/t${from + n}\ncommitter A <a@localhost> 1 +0000\ndata ${text.length}\n${text}\nfrom ${main}\n\n`;
    });
    await execa('git', ['fast-import', '--quiet'], { cwd: path, input: commands.join('') });
  };
  const remove = (): ReturnType<typeof removeProvenWorktree> =>
    removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids });
  await tags(0, 501, true);
  await expect(remove()).rejects.toThrow(/more than 500 branches, tags and notes/);
  await rm(join(path, '.git', 'refs', 'tags'), { recursive: true });
  await tags(0, 600, false);
  // Names of commits that the remote has are kept nowhere, however many they are: another remote's tags, fetched.
  const many = Array.from(
    { length: 501 },
    () => 'commit refs/heads/many\ncommitter A <a@localhost> 1 +0000\ndata 0\n\n',
  );
  await execa('git', ['fast-import', '--quiet'], { cwd: lab.origin, input: many.join('') });
  await mirrorOf(lab);
  const known = (await git(lab.origin, 'rev-list', 'many')).split('\n');
  await execa('git', ['update-ref', '--stdin'], {
    cwd: path,
    input: known.map((sha, n) => `create refs/tags/known${n} ${sha}\n`).join(''),
  });
  expect(await remove()).toMatchObject({ removed: true });
  expect((await git(mirror, 'for-each-ref', 'refs/heartbead-kept')).split('\n')).toHaveLength(1);
});

describe('folders deeper in each other than a path is long', () => {
  const dig = (): void => {
    const here = process.cwd();
    process.chdir(path);
    try {
      for (let n = 0; n < 40; n++) {
        mkdirSync('d'.repeat(200));
        process.chdir('d'.repeat(200));
      }
    } finally {
      process.chdir(here);
    }
  };

  it('keep no work from being saved and no tree from being removed', async () => {
    await put(path, { 'two.txt': '2\n' });
    dig();
    const saved = await save();
    expect(saved.pushed).toBe(true);
    expect(await git(mirror, 'show', `${saved.checkpoint.sha}:two.txt`)).toBe('2');
    await commit(path, {});
    await pushBranch({ worktree: path, ...ids, remote: lab.origin });
    expect(await removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids })).toMatchObject({ removed: true });
    expect(await readdir(dirname(path))).toEqual([]);
  });
});
