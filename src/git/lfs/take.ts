import { join } from 'node:path';
import type { Keeper } from '../keeper.js';
import { takeContents } from './contents.js';
import { newPointers } from './pointers.js';

/**
 * Keeps on the host what a commit of an attempt has in Git LFS: with its folder the contents would be gone. They lie
 * with the agent's own repository, or with the keeper whose filter has just taken them out of the tree.
 * @param commit in the vault already.
 * @throws GitError
 */
export async function takeNewContents(keeper: Keeper, commit: string, signal?: AbortSignal): Promise<void> {
  const pointers = await newPointers(keeper.vault, commit, signal);
  if (pointers.length === 0) return;
  const own = typeof keeper.git === 'string' ? [] : [join(keeper.git.commonDir, 'lfs')];
  await takeContents(keeper.vault, [join(keeper.dir, 'lfs'), ...own], pointers);
}
