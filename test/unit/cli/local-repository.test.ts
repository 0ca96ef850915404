import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  elsewhereNotes,
  requireLandable,
  readLocalRepository,
  workingCopyNote,
} from '../../../src/operator/local-repository.js';
import { requireBase } from '../../../src/operator/remote-repository.js';
import { namedRepository } from '../../../src/operator/repo.js';
import { updateMirror } from '../../../src/git/index.js';
import { scratchFolder } from '../../support/scratch.js';

const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@localhost', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

/** A bare origin with three commits, and a working copy of it whose path has a space and letters beyond ASCII. */
function lab(): { folder: string; origin: string; copy: string } {
  const folder = scratchFolder('local repository ü');
  const [origin, copy] = [join(folder, 'o.git'), join(folder, 'working copy')];
  git(folder, 'init', '-q', '--bare', '-b', 'main', origin);
  git(origin, 'config', 'uploadpack.allowFilter', 'true');
  git(folder, 'clone', '-q', origin, copy);
  git(copy, 'checkout', '-qB', 'main');
  for (const n of [1, 2, 3]) {
    writeFileSync(join(copy, 'README'), `${n}\n`);
    git(copy, 'add', '.');
    git(copy, 'commit', '-qm', `commit ${n}`);
  }
  git(copy, 'push', '-q', 'origin', 'main');
  return { folder, origin, copy };
}

describe('a repository on this machine', () => {
  test('that is whole is taken, with the state of its working copy', async () => {
    const { copy, origin } = lab();
    expect(await namedRepository(copy, '/')).toMatchObject({
      repo: copy,
      local: { checkedOut: 'main', uncommitted: 0, shallow: false, partial: false, unborn: false, origin },
    });
    expect((await readLocalRepository(origin)).checkedOut).toBeUndefined();
  });

  test('that is a shallow clone is refused, with its origin', async () => {
    const { folder, origin } = lab();
    git(folder, 'clone', '-q', '--depth', '1', `file://${origin}`, 'shallow');
    await expect(namedRepository('./shallow', folder)).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining('is a shallow clone') as string,
      next: expect.stringContaining(`--repo file://${origin}`) as string,
    });
  });

  test('that is a partial clone is refused', async () => {
    const { folder, origin } = lab();
    git(folder, 'clone', '-q', '--filter=blob:none', '--no-checkout', `file://${origin}`, 'partial');
    await expect(namedRepository('./partial', folder)).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining('is a partial clone') as string,
    });
  });

  test('in which nothing is committed is refused', async () => {
    const folder = scratchFolder('unborn');
    mkdirSync(join(folder, 'new'));
    git(join(folder, 'new'), 'init', '-q');
    await expect(namedRepository('new', folder)).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining('has no commit yet') as string,
      next: expect.stringMatching(/^commit something there/) as string,
    });
    // Without a working tree nothing can be committed there.
    git(folder, 'init', '-q', '--bare', 'bare.git');
    await expect(namedRepository('./bare.git', folder)).rejects.toMatchObject({
      next: expect.stringMatching(/^push a first commit to it/) as string,
    });
  });

  test.each<[string, (path: string) => void, RegExp, RegExp]>([
    [
      'whose .git was emptied',
      (path) => (rmSync(join(path, '.git'), { recursive: true }), mkdirSync(join(path, '.git'))),
      /git cannot read the repository .*not a git repository/,
      /git -C .* status/,
    ],
    [
      'that is a linked worktree whose repository is gone',
      (path) => (rmSync(join(path, '.git'), { recursive: true }), writeFileSync(join(path, '.git'), 'gitdir: /gone\n')),
      /git cannot read the repository .*not a git repository/,
      /git -C .* status/,
    ],
    [
      'with a line in its configuration that is none',
      (path) => writeFileSync(join(path, '.git', 'config'), '[core\n'),
      /git cannot read the repository .*bad config line 1/,
      /git -C .* status/,
    ],
    ...(process.getuid?.() === 0
      ? ([
          [
            'that belongs to another user',
            (path) => execFileSync('chown', ['-R', '12345', path]),
            /git cannot read the repository .*dubious ownership/,
            /another user: `git config --global --add safe\.directory/,
          ],
        ] as [string, (path: string) => void, RegExp, RegExp][])
      : []),
  ])('%s is refused in the words of git, and not called empty', async (_what, spoil, words, next) => {
    const { copy } = lab();
    spoil(copy);
    await expect(namedRepository(copy, '/')).rejects.toMatchObject({
      code: 2,
      message: expect.stringMatching(words) as string,
      next: expect.stringMatching(next) as string,
    });
  });

  test('with uncommitted work says what agents will not see, and where they begin', async () => {
    const { copy } = lab();
    writeFileSync(join(copy, 'README'), 'mine\n');
    const head = git(copy, 'rev-parse', 'HEAD').slice(0, 12);
    expect(workingCopyNote(await readLocalRepository(copy))).toBe(
      `the 1 uncommitted change of ${copy} is not part of it; agents begin at main (${head})`,
    );
    writeFileSync(join(copy, 'new'), 'mine\n');
    expect(workingCopyNote(await readLocalRepository(copy))).toContain('the 2 uncommitted changes of');
  });

  test('with Git LFS says what hosts need', async () => {
    const { copy } = lab();
    expect(elsewhereNotes(await readLocalRepository(copy))).toEqual([]);
    mkdirSync(join(copy, 'deep'));
    writeFileSync(join(copy, 'deep', '.gitattributes'), '*.bin filter=lfs diff=lfs merge=lfs -text\n');
    git(copy, 'add', '--all');
    git(copy, 'commit', '-q', '-m', 'lfs');
    expect(elsewhereNotes(await readLocalRepository(copy))).toEqual([
      expect.stringMatching(/Git LFS: hosts need the program git-lfs.*uploaded before it is pushed/),
    ]);
  });

  describe('whose branch is checked out', () => {
    test.each(['merge', 'squash', 'rebase'] as const)(
      'cannot be landed in by %s, and says how else',
      async (strategy) => {
        const { copy, origin } = lab();
        const found = await readLocalRepository(copy);
        expect(() => requireLandable(found, strategy, undefined)).toThrow(
          expect.objectContaining({
            code: 4,
            message: expect.stringContaining('main checked out') as string,
            next: expect.stringMatching(new RegExp(`--repo ${origin}.*branch-only.*updateInstead`)) as string,
          }),
        );
      },
    );
    test('is fine for another branch, another strategy, or a copy that merges may update', async () => {
      const { copy } = lab();
      const found = await readLocalRepository(copy);
      expect(() => requireLandable(found, 'merge', 'release')).not.toThrow();
      expect(() => requireLandable(found, 'branch-only', undefined)).not.toThrow();
      expect(() => requireLandable(found, 'pr', undefined)).not.toThrow();
      git(copy, 'config', 'receive.denyCurrentBranch', 'updateInstead');
      const updated = await readLocalRepository(copy);
      expect(() => requireLandable(updated, 'merge', undefined)).not.toThrow();
    });
  });
});

describe('a source that is no whole repository, met by a worker', () => {
  test.each([
    ['shallow', ['--depth', '1'], /is a shallow clone.*--unshallow/],
    ['partial', ['--filter=blob:none', '--no-checkout'], /is a partial clone.*cloned from/],
  ] as const)('%s: a person is told, and nobody tries again', async (name, how, words) => {
    const { folder, origin } = lab();
    git(folder, 'clone', '-q', ...how, `file://${origin}`, name);
    const error: unknown = await updateMirror({ root: join(folder, 'mirrors'), repo: join(folder, name) }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ kind: 'bad_input', mayPass: false, message: expect.stringMatching(words) as string });
    expect(existsSync(join(folder, name))).toBe(true);
  });
});

describe('the branches of a repository, asked for before anything is slung at it', () => {
  test('are there, or the one that is not there is named with those that are', async () => {
    const { origin, copy } = lab();
    git(copy, 'push', '-q', 'origin', 'main:release');
    for (const repo of [origin, `file://${origin}`]) {
      expect(await requireBase(repo, undefined)).toBeUndefined();
      expect(await requireBase(repo, 'release')).toBeUndefined();
      await expect(requireBase(repo, 'relaese')).rejects.toMatchObject({
        code: 2,
        message: `${repo} has no branch "relaese"`,
        next: 'correct --base: it has main, release',
      });
    }
    git(origin, 'symbolic-ref', 'HEAD', 'refs/heads/trunk');
    await expect(requireBase(origin, undefined)).rejects.toMatchObject({
      message: `${origin} does not say which branch is its default one`,
      next: 'name it with --base: it has main, release',
    });
  });

  test('of an empty one are none: that is told', async () => {
    const { folder } = lab();
    git(folder, 'init', '-q', '--bare', 'empty.git');
    await expect(requireBase(`file://${folder}/empty.git`, undefined)).rejects.toMatchObject({
      message: expect.stringContaining('has no branch with a commit yet') as string,
    });
  });

  test('of one that does not answer from here are no reason to refuse it: only hosts have to reach it', async () => {
    expect(await requireBase('file:///nowhere/at/all.git', 'main')).toMatch(
      /^nobody could see from here.*nothing was found at/,
    );
    const silent = createServer();
    await new Promise<void>((ready) => silent.listen(0, '127.0.0.1', ready));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    expect(await requireBase(`git://127.0.0.1:${port}/r.git`, 'main', 500)).toMatch(/did not answer within 0\.5 s$/);
  });
});
