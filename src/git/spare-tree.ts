import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../edge/errors.js';
import { kindOf } from '../edge/kind-of.js';
import { GitError } from './git-error.js';
import { checkedPath, checkedSha } from './git-input.js';
import { provideContents } from './lfs/contents.js';
import { withMirror } from './mirror-lock.js';
import { makeRepository } from './repository-files.js';
import { runGit } from './run-git.js';
import type { GitPlace, RunGitOptions } from './run-git.js';
import { deleteWorktreeFiles } from './worktree-admin.js';

/**
 * The files of a commit, checked out before an attempt needs them, and the index that knows them. Nothing else: the
 * repository is made where the attempt takes it.
 */
export interface SpareTree {
  /** Absolute path of the tree, with `.git/index` in it and nothing beside that in `.git`. */
  path: string;
  /** The commit of the files. */
  at: string;
  /** The mirror that has it. */
  mirror: string;
  /** A look at its files that a start has begun. */
  look?: SpareLook | undefined;
}

/** Git looks at every file of a spare tree while nobody knows yet whether an attempt takes it. */
export interface SpareLook {
  /** Whether every file is as its commit has it. Resolves when git is gone. */
  whole: Promise<boolean>;
  /** Resolves when nothing of the look is left on the disk. */
  over: Promise<void>;
  /** Ends it: nobody will ask. */
  stop(): void;
}

/**
 * Checks the files of a commit out.
 * @param spare what to make; what stands at its path is removed. No agent may ever have been let in there.
 * @returns whether it is there now: a tree with submodules is of no use, since each has a repository of its own.
 * @throws GitError; the signal's reason when it was aborted. Nothing is left then.
 */
export async function makeSpareTree({ path, at, mirror }: SpareTree, signal: AbortSignal): Promise<boolean> {
  checkedPath(path);
  checkedSha(at);
  const gitDir = join(path, '.git');
  await dropSpareTree(path);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await withMirror(mirror, signal, () => makeRepository(gitDir, { vault: mirror, head: at, refs: {} }, signal));
    await provideContents(mirror, gitDir, [at], signal);
    await checkOut({ worktree: path }, at, { doing: 'making a spare tree', signal });
    if ((await kindOf(join(path, '.gitmodules'))) !== 'nothing') {
      await dropSpareTree(path);
      return false;
    }
    await removeAllBut('index', gitDir);
    return true;
  } catch (error) {
    await dropSpareTree(path);
    throw error;
  }
}

export interface LookOptions {
  /** Of a repository that borrows the mirror's objects (`repositoryConfiguration`). */
  configuration: string;
  /** Ends the look. */
  signal: AbortSignal;
  /** Hears why a look has failed that nobody ended. The tree may be used all the same. */
  onTrouble: (error: unknown) => void;
}

/**
 * Makes every file of a spare tree what its commit has, so that an attempt at that commit need not. It goes on beside
 * what the remote is asked, without the mirror's lock, and by a repository that is made for it alone: what waits has
 * none, since git does what it reads in one.
 */
export function lookOverSpareTree(
  { path, at, mirror }: SpareTree,
  { configuration, signal, onTrouble }: LookOptions,
): SpareLook {
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const gitDir = `${path}.look-${randomBytes(4).toString('hex')}`;
  const look = async (): Promise<boolean> => {
    try {
      until.throwIfAborted();
      makeForLook(gitDir, { mirror, at, configuration });
      await checkOut({ keeper: gitDir, worktree: path }, at, {
        doing: 'looking over a spare tree',
        signal: until,
        env: { GIT_INDEX_FILE: join(path, '.git', 'index') },
      });
      return true;
    } catch (error) {
      if (!until.aborted) onTrouble(error);
      return false;
    }
  };
  const whole = look();
  const over = whole.then(() => rm(gitDir, { recursive: true, force: true })).catch(onTrouble);
  return { whole, over, stop: () => stop.abort(new Error('nobody asks for it')) };
}

/**
 * As much of a repository as git needs to look. Its five small steps wait for nothing else that this process does: a
 * start waits for the look.
 */
function makeForLook(
  gitDir: string,
  { mirror, at, configuration }: Pick<SpareTree, 'mirror' | 'at'> & Pick<LookOptions, 'configuration'>,
): void {
  for (const folder of ['objects/info', 'refs']) mkdirSync(join(gitDir, folder), { recursive: true, mode: 0o700 });
  writeFileSync(join(gitDir, 'objects', 'info', 'alternates'), `${join(mirror, 'objects')}\n`);
  writeFileSync(join(gitDir, 'config'), configuration);
  writeFileSync(join(gitDir, 'HEAD'), `${at}\n`);
}

async function checkOut(place: GitPlace, at: string, task: RunGitOptions): Promise<void> {
  // A split index lies in two files, and the person at this machine may be used to them.
  await runGit(place, ['-c', 'core.splitIndex=false', 'checkout', '--force', '--detach', at, '--'], {
    ...task,
    limit: 'transfer',
  });
}

/** Removes a spare tree, or what there is of one. */
export const dropSpareTree = (path: string): Promise<void> => deleteWorktreeFiles(path, undefined);

/**
 * Puts a spare tree where a worktree is to be. Unless that was done right before ({@link lookOverSpareTree}), `git
 * checkout --force` looks at every file of it by its index (sizes, times, inodes) then, and writes what is not as the
 * wanted commit has it.
 * @param to where nothing stands yet; its folder exists.
 * @returns whether it is there now. Where it is not, nothing is there, and a tree is checked out from nothing.
 */
export async function placeSpareTree(
  spare: SpareTree,
  { mirror, to, at, signal }: { mirror: string; to: string; at: string; signal?: AbortSignal | undefined },
): Promise<boolean> {
  if (spare.mirror !== mirror || !(await sameAttributes(spare, at, signal))) return false;
  try {
    await rename(spare.path, to);
    return true;
  } catch (error) {
    // Taken by an earlier try of the same start; or the attempts lie on another disk.
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'EXDEV') return false;
    throw error;
  }
}

/** Takes the files and the index of a spare tree away from where it was placed; the repository stays. */
export async function emptySpareTree(path: string): Promise<void> {
  await removeAllBut('.git', path);
  for (const name of ['index', 'index.lock']) await rm(join(path, '.git', name), { force: true });
}

async function removeAllBut(kept: string, folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name !== kept) await rm(join(folder, name), { recursive: true, force: true });
}

/**
 * What `.gitattributes` says changes files that the commit has not changed (line ends, filters), which git does not
 * write anew then.
 */
async function sameAttributes({ mirror, at: from }: SpareTree, at: string, signal?: AbortSignal): Promise<boolean> {
  if (from === at) return true;
  const args = ['diff-tree', '-r', '--quiet', '--end-of-options', from, at, '--', ':(glob)**/.gitattributes'];
  const doing = 'comparing attributes of files';
  try {
    return (await runGit({ mirror }, args, { doing, signal, accept: [0, 1] })).code === 0;
  } catch (error) {
    // The history was rewritten since. What else is wrong with the mirror shows when a tree is made without this one.
    if (error instanceof GitError) return false;
    throw error;
  }
}
