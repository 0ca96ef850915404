import { appendFile, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createWorktree,
  ensureCommit,
  pushBranch,
  resolveBase,
  saveWip,
  updateMirror,
  worktreeStatus,
} from '../../../src/git/index.js';
import { writeShim } from '../../../src/package/agent-shim.js';
import { bulk, commit, commitToOrigin, git, gitChildrenOf, has, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const branch = 'heartbead/a/1-abcd';
let mirror = '';
let base = '';
let path = '';

beforeEach(async () => {
  mirror = await mirrorOf(lab);
  base = (await resolveBase(mirror)).sha;
  path = join(lab.dir, 'attempts', '1-abcd__a', 'worktree');
});

const kept = (): Promise<string> =>
  git(mirror, 'for-each-ref', '--format=%(refname) %(objectname)', 'refs/heartbead-kept');

/** Has git write down from now on how it was called. @returns what it was called with since the last time. */
async function countingGit(): Promise<() => Promise<string[]>> {
  const bin = join(lab.dir, 'counting');
  const log = join(lab.dir, 'commands');
  await mkdir(bin, { recursive: true });
  const real = (await execa('which', ['git'])).stdout.trim();
  // One write each: some run side by side.
  await writeFile(join(bin, 'git'), `#!/bin/sh\necho "$*" >> '${log}'\nexec '${real}' "$@"\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}:${process.env['PATH'] ?? ''}`);
  return async () => {
    const commands = (await readFile(log, 'utf8')).trim().split('\n');
    await rm(log);
    return commands;
  };
}

describe('a new worktree', () => {
  it('costs four processes of git where the mirror is warm and nothing has changed', async () => {
    const commands = await countingGit();
    const start = async (bead: string): Promise<void> => {
      const { known } = await updateMirror({ root: lab.root, repo: lab.origin, answerWithin: 60_000 });
      const { sha } = await resolveBase(mirror, undefined, known);
      const at = { mirror, path: join(lab.dir, 'trees', bead), at: sha, repo: lab.origin, known };
      await createWorktree({ ...at, branch: `heartbead/${bead}/1-abcd` });
    };
    await start('first');
    await commands();
    await start('second');
    const names = (await commands()).map((line) => line.replace(/-c \S+ |--git-dir \S+ /g, '').split(' ')[0] ?? '');
    // A host without git-lfs looks for it each time: it may have been installed meanwhile.
    expect(names.filter((name) => name !== 'lfs').sort()).toEqual(
      ['ls-remote', 'for-each-ref', 'checkout', 'config'].sort(),
    );
  });

  it('is clean, at the commit, on its own branch, and knows the remote as origin', async () => {
    expect(await createWorktree({ mirror, path, branch, at: base })).toMatchObject({ head: base });
    expect(await worktreeStatus(path)).toMatchObject({ head: base, dirty: false, branch });
    expect(await git(path, 'remote', 'get-url', 'origin')).toBe(lab.origin);
    await expect(git(path, 'rev-parse', '--abbrev-ref', '@{u}')).rejects.toThrow();
    await git(path, 'checkout', '--quiet', 'main');
    expect(await git(path, 'rev-parse', '--abbrev-ref', '@{u}')).toBe('origin/main');
  });

  it('lets nothing be pushed from it, and says who pushes; where the rig allows it, it does', async () => {
    const bin = join(lab.dir, 'shim');
    await writeShim(bin);
    await createWorktree({ mirror, path, branch, at: base });
    const sha = await commit(path, { x: '1' });
    const push = (...args: string[]): Promise<{ stderr: string; exitCode?: number }> =>
      execa('git', ['push', ...args], {
        cwd: path,
        reject: false,
        env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` },
      });
    for (const args of [
      ['origin', 'HEAD'],
      ['-u', 'origin', branch],
      ['--force', '--all'],
      ['origin', 'HEAD:main'],
      ['--no-verify', 'origin', ':main'],
      ['--tags', 'origin'],
    ]) {
      const { stderr, exitCode } = await push(...args);
      expect(exitCode).not.toBe(0);
      expect(stderr).toMatch(/^Heartbead pushes for you: .*`heartbead agent done`[^\n]*$/);
    }
    expect(await remoteSha(lab, 'refs/heads/main')).toBe(base);
    // Without the program git itself has no way to go.
    await expect(git(path, 'push', 'origin', 'HEAD')).rejects.toThrow(/remote-heartbead/);
    // The runner goes by the mirror, and fetching is nobody's harm.
    await git(path, 'fetch', '--quiet', 'origin');
    await pushBranch({ worktree: path, remote: lab.origin, bead: 'a', attempt: '1-abcd' });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(sha);

    const free = join(lab.dir, 'attempts', '2-efgh__a', 'worktree');
    await createWorktree({ mirror, path: free, branch: 'heartbead/a/2-efgh', at: base, allowPush: true });
    const own = await commit(free, { y: '1' });
    await git(free, 'push', '--quiet', 'origin', 'HEAD');
    expect(await remoteSha(lab, 'refs/heads/heartbead/a/2-efgh')).toBe(own);
  });

  it('of many attempts at once stand side by side, whatever branches the agents check out while the mirror is updated', async () => {
    const paths = Array.from({ length: 8 }, (_, n) => join(lab.dir, 'attempts', `${n}`, 'worktree'));
    await Promise.all(
      paths.map((each, n) => createWorktree({ mirror, path: each, branch: `heartbead/b${n}/1-abcd`, at: base })),
    );
    await git(paths[0] ?? '', 'checkout', '--quiet', 'main');
    const newest = await commitToOrigin(lab, 'main', { later: '1' });
    await updateMirror({ root: lab.root, repo: lab.origin });
    expect(await worktreeStatus(paths[0] ?? '')).toMatchObject({ head: base, dirty: false, branch: 'main' });
    expect(await resolveBase(mirror)).toEqual({ branch: 'main', sha: newest });
    for (const each of paths) expect(await git(each, 'rev-parse', 'HEAD')).toBe(base);
  });

  it('tells how far it is', async () => {
    await commitToOrigin(lab, 'main', bulk(300, 100));
    await mirrorOf(lab);
    const told: (number | undefined)[] = [];
    await createWorktree({
      mirror,
      path,
      branch,
      at: (await resolveBase(mirror)).sha,
      onProgress: ({ phase, percent }) => void (phase === 'updating files' && told.push(percent)),
    });
    expect(told).toEqual(expect.arrayContaining([50, 100]));
  });

  it('runs no hooks of the user while it is made', async () => {
    const hook = join(lab.dir, 'hooks', 'post-checkout');
    await mkdir(join(lab.dir, 'hooks'), { recursive: true });
    await appendFile(lab.config, `[core]\n\thooksPath = ${join(lab.dir, 'hooks')}\n`);
    await writeFile(hook, `#!/bin/sh\ntouch ${join(lab.dir, 'hooked')}\n`, { mode: 0o755 });
    await createWorktree({ mirror, path, branch, at: base });
    expect(await has(join(lab.dir, 'hooked'))).toBe(false);
    await git(path, 'checkout', '--quiet', '-b', 'y');
    expect(await has(join(lab.dir, 'hooked'))).toBe(true);
  });

  it('is refused for a commit that is not in the mirror, and nothing is left', async () => {
    await expect(createWorktree({ mirror, path, branch, at: 'b'.repeat(40) })).rejects.toMatchObject({
      kind: 'no_such_ref',
    });
    expect(await readdir(lab.dir)).not.toContain('attempts');
  });

  it('that cannot be made leaves nothing half-made behind', async () => {
    await mkdir(join(lab.dir, 'attempts'), { recursive: true });
    await writeFile(join(lab.dir, 'attempts', '1-abcd__a'), 'a file where the folder should be');
    await expect(createWorktree({ mirror, path, branch, at: base })).rejects.toMatchObject({
      name: 'GitError',
      message: expect.stringContaining('attempts') as string,
    });
    await rm(join(lab.dir, 'attempts', '1-abcd__a'));

    const at = await commitToOrigin(lab, 'main', {
      '.gitattributes': 'b.txt filter=broken\n',
      'a.txt': '1',
      'b.txt': '2',
    });
    await mirrorOf(lab);
    await appendFile(lab.config, '[filter "broken"]\n\tsmudge = false\n\trequired\n');
    await expect(createWorktree({ mirror, path, branch, at })).rejects.toMatchObject({
      name: 'GitError',
      message: expect.stringContaining('broken') as string,
    });
    expect(await has(path)).toBe(false);
    expect(await has(`${path}.keeper.git`)).toBe(false);
    expect(await createWorktree({ mirror, path, branch, at: base })).toMatchObject({ head: base });
  });
});

describe('a worktree that is there already', () => {
  it('untouched, is made again', async () => {
    await createWorktree({ mirror, path, branch, at: base });
    const newer = await commitToOrigin(lab, 'main', { n: '1' });
    await mirrorOf(lab);
    expect(await createWorktree({ mirror, path, branch, at: newer })).toMatchObject({ head: newer });
    expect(await worktreeStatus(path)).toMatchObject({ head: newer, dirty: false, branch });
  });

  it('untouched, needs nothing kept', async () => {
    await createWorktree({ mirror, path, branch, at: base });
    await createWorktree({ mirror, path, branch, at: base });
    expect(await kept()).toBe('');
  });

  it('half-made by a killed git is removed and made again, branch included', async () => {
    await commitToOrigin(lab, 'main', bulk(2_000, 200));
    await mirrorOf(lab);
    const { sha } = await resolveBase(mirror);
    // Each state that a kill can leave: only the entry; entry and branch; half the files.
    const making = createWorktree({ mirror, path, branch, at: sha }).then(
      () => 'made',
      () => 'killed',
    );
    for (let killed = false; !killed;) {
      for (const pid of await gitChildrenOf(process.pid)) {
        if (!(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes('checkout\0--force')) continue;
        if (!(await stat(join(path, 'bulk')).catch(() => undefined))) continue;
        process.kill(pid, 'SIGKILL');
        killed = true;
      }
      if ((await Promise.race([making, Promise.resolve('going on')])) !== 'going on') break;
    }
    await making;
    expect(await createWorktree({ mirror, path, branch, at: sha })).toMatchObject({ head: sha });
    expect(await worktreeStatus(path)).toMatchObject({ head: sha, dirty: false, branch });
    expect(await kept()).toBe('');
  });

  it.each<[string, (keeper: string) => Promise<void>]>([
    ['its folder was removed', () => rm(path, { recursive: true })],
    [
      'it has no ready mark and half its files',
      async (keeper) => {
        await rm(join(keeper, 'heartbead-ready'));
        await rm(join(path, 'README.md'));
      },
    ],
    [
      'it has no ready mark and no .git',
      async (keeper) => {
        await rm(join(keeper, 'heartbead-ready'));
        await rm(join(path, '.git'), { recursive: true });
      },
    ],
    [
      'a killed git left its locks',
      async (keeper) => {
        await rm(join(keeper, 'heartbead-ready'));
        for (const lock of [join(path, '.git', 'index.lock'), join(path, '.git', 'HEAD.lock')])
          await writeFile(lock, '');
      },
    ],
    [
      'only an empty folder is left',
      async (keeper) => {
        await rm(keeper, { recursive: true });
        await rm(path, { recursive: true });
        await mkdir(path);
      },
    ],
  ])('is made again when %s', async (_what, damage) => {
    await createWorktree({ mirror, path, branch, at: base });
    await damage(`${path}.keeper.git`);
    expect(await createWorktree({ mirror, path, branch, at: base })).toMatchObject({ head: base });
    expect(await worktreeStatus(path)).toMatchObject({ head: base, dirty: false, branch });
  });

  it.each<[string, () => Promise<void>]>([
    ['with commits and files', () => Promise.resolve()],
    ['whose .git somebody removed', () => rm(join(path, '.git'), { recursive: true })],
  ])('%s that nobody expected is never reused, and the work is kept', async (_what, meddle) => {
    await createWorktree({ mirror, path, branch, at: base });
    const own = await commit(path, { own: '1' });
    await put(path, { loose: '2' });
    await meddle();
    expect(await createWorktree({ mirror, path, branch, at: base })).toMatchObject({ head: base });
    expect(await worktreeStatus(path)).toMatchObject({ head: base, dirty: false, branch });
    const found = (await kept()).split('\n').map((line) => line.split(' ')[1] ?? '');
    const contents = await Promise.all(found.map((sha) => git(mirror, 'ls-tree', '--name-only', sha)));
    expect(contents).toContain('README.md\nloose\nown');
    // With its .git the commit is gone as well, but no file is.
    expect(await git(mirror, 'rev-list', found[0] ?? '')).toContain(_what === 'with commits and files' ? own : base);
  });

  it('but is a repository of its own, or a folder with something in it, is left alone', async () => {
    await mkdir(path, { recursive: true });
    await put(path, { precious: '1' });
    await expect(createWorktree({ mirror, path, branch, at: base })).rejects.toMatchObject({ kind: 'bad_input' });
    await git(path, 'init', '--quiet');
    await expect(createWorktree({ mirror, path, branch, at: base })).rejects.toMatchObject({ kind: 'bad_input' });
    expect(await readFile(join(path, 'precious'), 'utf8')).toBe('1');
  });
});

describe('going on from saved work', () => {
  const ids = { bead: 'a', attempt: '1-abcd' };
  const next = { branch: 'heartbead/a/2-efgh', path: '' };
  beforeEach(() => {
    next.path = join(lab.dir, 'attempts', '2-efgh__a', 'worktree');
  });

  it('on another host: the ref is fetched, HEAD is where the agent had it, and its uncommitted work is there', async () => {
    await createWorktree({ mirror, path, branch, at: base });
    const own = await commit(path, { 'done.txt': 'committed\n' });
    await put(path, { 'README.md': 'changed\n', 'neü/untracked ☃.txt': 'new\n', 'done.txt': undefined });
    const { checkpoint } = await saveWip({ worktree: path, ...ids, push: true, remote: lab.origin });
    const elsewhere = (await updateMirror({ root: join(lab.dir, 'host-2'), repo: lab.origin })).path;
    expect(await ensureCommit(elsewhere, lab.origin, checkpoint)).toEqual(checkpoint);
    expect(await createWorktree({ mirror: elsewhere, ...next, at: checkpoint.sha, wip: true })).toMatchObject({
      head: own,
    });
    expect(await worktreeStatus(next.path)).toMatchObject({ head: own, dirty: true, branch: next.branch });
    expect(await git(next.path, '-c', 'core.quotePath=false', 'status', '--porcelain', '--untracked-files=all')).toBe(
      'M README.md\n D done.txt\n?? "neü/untracked ☃.txt"',
    );
    expect(await readFile(join(next.path, 'neü/untracked ☃.txt'), 'utf8')).toBe('new\n');
    expect(await git(next.path, 'log', '--format=%s')).not.toContain('Work in progress');
  });

  it('whose report was lost goes on from the newer save of the same attempt', async () => {
    await createWorktree({ mirror, path, branch, at: base });
    const first =
      (await commit(path, { a: '1' }),
      await put(path, { b: '1' }),
      (await saveWip({ worktree: path, ...ids, push: true, remote: lab.origin })).checkpoint);
    await put(path, { b: '2' });
    const second = (await saveWip({ worktree: path, ...ids, push: true, remote: lab.origin })).checkpoint;
    const third =
      (await commit(path, {}), (await saveWip({ worktree: path, ...ids, push: true, remote: lab.origin })).checkpoint);
    expect(new Set([first.sha, second.sha, third.sha]).size).toBe(3);
    const elsewhere = (await updateMirror({ root: join(lab.dir, 'host-2'), repo: lab.origin })).path;
    expect(await ensureCommit(elsewhere, lab.origin, first)).toEqual({ ...third, wip: false });
    expect(third.wip).toBe(false);
    await put(path, { b: '3' });
    const fourth = (await saveWip({ worktree: path, ...ids, push: true, remote: lab.origin })).checkpoint;
    const third2 = (await updateMirror({ root: join(lab.dir, 'host-3'), repo: lab.origin })).path;
    expect(await ensureCommit(third2, lab.origin, first)).toEqual({ ...fourth, wip: true });
  });

  it('that is gone from the remote says so', async () => {
    const gone = { sha: 'c'.repeat(40), ref: 'refs/heartbead/a/1-abcd/wip' };
    await expect(ensureCommit(mirror, lab.origin, gone)).rejects.toMatchObject({
      kind: 'no_such_ref',
      message: expect.stringContaining('refs/heartbead/a/1-abcd/wip') as string,
    });
    await expect(
      ensureCommit(mirror, lab.origin, { sha: 'c'.repeat(40), ref: 'refs/heads/main' }),
    ).rejects.toMatchObject({ kind: 'no_such_ref' });
  });

  it('needs no network when the commit is here, and makes no ref', async () => {
    const before = await git(mirror, 'for-each-ref');
    await ensureCommit(mirror, join(lab.dir, 'nowhere'), { sha: base, ref: 'refs/heartbead/a/1-abcd/wip' });
    expect(await git(mirror, 'for-each-ref')).toBe(before);
  });
});
