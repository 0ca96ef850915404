import { createHash, randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kindOf } from '../../edge/kind-of.js';
import { exists } from '../files.js';
import { GitError } from '../git-error.js';
import { runGit } from '../run-git.js';
import type { GitAnswer } from '../run-git.js';
import { contentsOf } from './place.js';
import { lfsProgram } from './program.js';
import { runLfs } from './run-lfs.js';
import { pointersIn, usesLfs } from './pointers.js';
import type { LfsPointer } from './pointers.js';

/** In the order of git-lfs itself. */
const fileOf = (storage: string, oid: string): string =>
  join(storage, 'objects', oid.slice(0, 2), oid.slice(2, 4), oid);

/** @returns those whose contents this host does not have. */
export async function notHere(vault: string, pointers: readonly LfsPointer[]): Promise<LfsPointer[]> {
  const found = await Promise.all(pointers.map(({ oid }) => exists(fileOf(contentsOf(vault), oid))));
  return pointers.filter((_, n) => found[n] !== true);
}

/**
 * Takes over the contents of files from where an agent's git, or ours in its place, has put them. What is not what its
 * name says is passed over.
 * @param from `lfs` folders of repositories.
 */
export async function takeContents(
  vault: string,
  from: readonly string[],
  pointers: readonly LfsPointer[],
): Promise<void> {
  for (const { oid, size } of await notHere(vault, pointers))
    for (const storage of from)
      if (
        (await plainWay(storage, oid)) &&
        (await copied(fileOf(storage, oid), fileOf(contentsOf(vault), oid), oid, size))
      )
        break;
}

/** Whether no link is on the way: what it led to would be somebody else's file. */
async function plainWay(storage: string, oid: string): Promise<boolean> {
  const file = fileOf(storage, oid);
  for (const folder of [storage, join(storage, 'objects'), dirname(dirname(file)), dirname(file)])
    if ((await kindOf(folder)) !== 'folder') return false;
  return (await kindOf(file)) === 'file';
}

/**
 * @returns whether the copy is what its name says. Where the disk can, it shares the blocks until one is written to.
 */
async function copied(from: string, to: string, oid: string, size: number): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const half = `${to}.${randomBytes(4).toString('hex')}`;
  try {
    await copyFile(from, half, constants.COPYFILE_FICLONE);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of createReadStream(half)) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    if (bytes !== size || hash.digest('hex') !== oid) return false;
    await rename(half, to);
    return true;
  } finally {
    await rm(half, { force: true });
  }
}

/**
 * A project may keep its contents elsewhere than its commits, and say so in a file of its tree. The one on the default
 * branch is believed: what an agent writes there would have its contents sent to where nobody finds them.
 */
export async function lfsSettings(vault: string, signal?: AbortSignal): Promise<string[]> {
  const place = { mirror: vault };
  const doing = 'reading where Git LFS keeps its contents';
  const { code } = await runGit(place, ['cat-file', '-e', 'refs/remotes/origin/HEAD:.lfsconfig'], {
    doing,
    signal,
    accept: [0, 1, 128],
  });
  if (code !== 0) return [];
  const { stdout } = await runGit(
    place,
    ['config', '--blob', 'refs/remotes/origin/HEAD:.lfsconfig', '-z', '--get-regexp', '^lfs\\.(push)?url$'],
    { doing, signal, accept: [0, 1] },
  );
  return stdout
    .split('\0')
    .filter((entry) => entry !== '')
    .flatMap((entry) => {
      const [name = '', url = ''] = entry.split('\n');
      return /^(?:https?|ssh|file):\/\/|^[\w.-]+@[\w.-]+:/.test(url) ? ['-c', `${name}=${url}`] : [];
    });
}

/**
 * Puts the contents of commits' files where git-lfs finds them when it makes a tree of them: fetched once for a host,
 * and a copy for each repository.
 * @param gitDir of the repository whose tree is about to be made.
 * @throws GitError when the remote does not have them either.
 */
export async function provideContents(
  vault: string,
  gitDir: string,
  commits: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const pointers = new Map<string, LfsPointer>();
  for (const commit of commits)
    if (await usesLfs(vault, commit, signal))
      for (const pointer of await pointersIn(vault, commit, signal)) pointers.set(pointer.oid, pointer);
  if (pointers.size === 0) return;
  const program = await lfsProgram(signal);
  if (program === undefined) {
    if (!(await filterWanted(signal))) return;
    throw new GitError('other', `${named([...pointers.values()])} is kept by Git LFS, and ${noProgram}`);
  }
  if (!program.smudges) return;
  const wanted = [...pointers.values()];
  if ((await notHere(vault, wanted)).length > 0) await fetchContents(vault, commits, wanted, signal);
  for (const { oid, size, path } of wanted)
    if (!(await copied(fileOf(contentsOf(vault), oid), fileOf(join(gitDir, 'lfs'), oid), oid, size))) {
      // Damaged here: the next try fetches it anew.
      await rm(fileOf(contentsOf(vault), oid), { force: true });
      throw new GitError('other', `the contents of ${path} that this host keeps for Git LFS are damaged: try again`);
    }
}

/** Whether the user's git would fail to make a tree without the program. */
async function filterWanted(signal: AbortSignal | undefined): Promise<boolean> {
  const { stdout } = await runGit('nowhere', ['config', '--get', 'filter.lfs.required'], {
    doing: 'looking for git-lfs',
    signal,
    accept: [0, 1],
  });
  return stdout.trim() === 'true';
}

async function fetchContents(
  vault: string,
  commits: readonly string[],
  wanted: readonly LfsPointer[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { code, stdout, stderr } = await askForContents(vault, commits, await lfsSettings(vault, signal), signal);
  const missing = await notHere(vault, wanted);
  if (missing.length === 0) return;
  const said = [stdout, stderr]
    .join('\n')
    .split('\n')
    .filter((line) => /error|missing|fatal|denied|refused/i.test(line));
  throw new GitError(
    'other',
    `${named(missing)} is kept by Git LFS, and the remote's store did not give the contents ` +
      `(${said[0]?.trim().slice(0, 300) ?? `git-lfs ended with status ${code}`}): upload them from where they were ` +
      'made (`git lfs push --all origin`), or start the worker with GIT_LFS_SKIP_SMUDGE=1, and agents begin with ' +
      'the pointers',
    said.join('\n'),
  );
}

/** Fetches what the remote's store has of these commits' files; what it lacks is for the caller to see. */
export const askForContents = (
  vault: string,
  commits: readonly string[],
  settings: readonly string[],
  signal: AbortSignal | undefined,
): Promise<GitAnswer> =>
  runLfs(vault, settings, ['fetch', 'origin', ...commits], {
    doing: 'fetching files of Git LFS',
    signal,
    limit: 'transfer',
    accept: [0, 1, 2, 128],
  });

export const noProgram =
  'there is no git-lfs on this host: install it (a package of that name is in every distribution), then try again';

/** More would not help anybody. */
const pathsNamed = 5;

export const named = (pointers: readonly LfsPointer[]): string =>
  `${pointers
    .slice(0, pathsNamed)
    .map(({ path }) => path)
    .join(', ')}${pointers.length > pathsNamed ? ` and ${pointers.length - pathsNamed} more` : ''}`;
