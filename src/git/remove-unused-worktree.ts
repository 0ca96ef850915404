import { commitOf } from './commits.js';
import { checkedBranch, checkedPath } from './git-input.js';
import { exists } from './files.js';
import { withMirror } from './mirror-lock.js';
import { runGit } from './run-git.js';
import { deleteWorktreeFiles, findAdmin } from './worktree-admin.js';

export interface RemoveUnusedWorktreeOptions {
  mirror: string;
  path: string;
  /** The attempt's own branch, which goes too where it is the mirror's. */
  branch: string;
}

/**
 * Removes a worktree in which provably no agent ever worked: there is nothing in it that was not made
 * by `createWorktree`, so no proof is asked for. Whoever calls this vouches for that; for all others there is
 * `removeProvenWorktree`. Idempotent.
 * @throws GitError
 */
export async function removeUnusedWorktree({ mirror, path, branch }: RemoveUnusedWorktreeOptions): Promise<void> {
  checkedPath(path);
  checkedBranch(branch);
  if (!(await exists(mirror))) return deleteWorktreeFiles(path, undefined);
  // Without waiting for a clone or fetch that holds the mirror: a repository of its own is not part of it.
  const admin = await findAdmin(mirror, path);
  if (admin === undefined) return deleteWorktreeFiles(path, undefined);
  await withMirror(mirror, undefined, async () => {
    // A linked worktree, which an earlier version had begun.
    await deleteWorktreeFiles(path, admin);
    const ref = `refs/heads/${branch}`;
    const sha = await commitOf({ mirror }, ref);
    if (sha !== undefined)
      await runGit({ mirror }, ['update-ref', '-d', '--end-of-options', ref, sha], { doing: `removing ${ref}` });
  });
}
