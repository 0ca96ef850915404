import { readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isMissing } from '../edge/errors.js';
import { removeTree } from '../edge/remove-tree.js';
import { exists } from './files.js';
import { dropKeeper } from './keeper.js';

/** As in a keeper; earlier versions of Heartbead wrote them into the entry of a linked worktree. */
const readyMark = 'heartbead-ready';
const removingMark = 'heartbead-removing';

/** A linked worktree's entry in its mirror, `<mirror>/worktrees/<name>`: earlier versions made such. */
export interface WorktreeAdmin {
  dir: string;
  ready: boolean;
  removing: boolean;
}

/** Finds the entry by the path it was made for, also when the worktree's folder or its `.git` is gone. */
export async function findAdmin(mirror: string, path: string): Promise<WorktreeAdmin | undefined> {
  const wanted = new Set([resolve(path), await canonical(path)]);
  for (const name of await list(join(mirror, 'worktrees'))) {
    const dir = join(mirror, 'worktrees', name);
    const file = join(dir, 'gitdir');
    if (!(await exists(file))) continue;
    // Relative where git is told to use relative paths.
    const target = dirname(resolve(dir, (await readFile(file, 'utf8')).trim()));
    if (wanted.has(target))
      return { dir, ready: await exists(join(dir, readyMark)), removing: await exists(join(dir, removingMark)) };
  }
  return undefined;
}

export const markEntryRemoving = (admin: WorktreeAdmin): Promise<void> => writeFile(join(admin.dir, removingMark), '');

/**
 * Removes a worktree's folder, then its keeper and its entry: cut off in between, they still tell that it was being
 * removed or was half-made.
 */
export async function deleteWorktreeFiles(path: string, admin: WorktreeAdmin | undefined): Promise<void> {
  await removeTree(path);
  await dropKeeper(path);
  if (admin !== undefined) await rm(admin.dir, { recursive: true, force: true });
}

/** The path with symbolic links resolved, also when its last part is not there. */
async function canonical(path: string): Promise<string> {
  try {
    return join(await realpath(dirname(path)), basename(path));
  } catch (error) {
    if (isMissing(error)) return resolve(path);
    throw error;
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    // A mirror has no such folder before its first worktree.
    if (isMissing(error)) return [];
    throw error;
  }
}
