import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commitOf, parentsOf, reachableFrom, requireCommit, treeOf } from './commits.js';
import { tellingDiskFailures } from './disk-failure.js';
import { GitError } from './git-error.js';
import { checkedBranch, checkedPath, checkedSha } from './git-input.js';
import type { GitProgress } from './git-progress.js';
import { removeStaleLock } from './leftovers.js';
import { exists } from './files.js';
import { withMirror } from './mirror-lock.js';
import { runGit } from './run-git.js';
import { takeSnapshot } from './snapshot.js';
import { commitTree } from './wip-commit.js';
import { dropWorktree, findAdmin, gitFileTarget, markReady } from './worktree-admin.js';

export interface CreateWorktreeOptions {
  mirror: string;
  /** Absolute path of the new worktree; the attempt's own. */
  path: string;
  /** The attempt's own branch, made at the commit. */
  branch: string;
  /** The commit to start from; it must be in the mirror (`ensureCommit`). */
  at: string;
  /**
   * `at` is a snapshot of uncommitted work: HEAD will be at its parent, and the work uncommitted in the working tree.
   */
  wip?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: GitProgress) => void) | undefined;
}

/**
 * Makes the worktree of an attempt. Call it only while no agent can be in it. What an earlier call has left (half-made
 * or whole) is removed and made again; if, against all rules, there is work in it, that is first kept in the mirror
 * under `refs/heartbead-kept/`. A failure leaves no half-made worktree.
 * @returns the commit at HEAD.
 * @throws GitError; the signal's reason when it was aborted.
 */
export async function createWorktree({
  mirror,
  path,
  branch,
  at,
  wip = false,
  signal,
  onProgress,
}: CreateWorktreeOptions): Promise<{ head: string }> {
  checkedPath(path);
  checkedBranch(branch);
  checkedSha(at);
  const make = async (): Promise<{ head: string }> => {
    await requireCommit({ mirror }, at, signal);
    // A snapshot made on a branch without any commit has no parent: then the snapshot itself is the start.
    const head = (wip ? (await parentsOf({ mirror }, at, signal))[0] : undefined) ?? at;
    await clearPlace(mirror, path, { branch, head, tree: await treeOf({ mirror }, at, signal) }, signal);
    // Entries whose folders have long been gone; young ones may belong to an agent that is making a worktree of its
    // own.
    await runGit({ mirror }, ['worktree', 'prune', '--expire=1.day.ago'], { doing: 'pruning worktrees', signal });
    await freeBranch(mirror, branch, head, signal);
    try {
      const doing = 'making the worktree';
      await runGit(
        { mirror },
        [
          'worktree',
          'add',
          '--lock',
          `--reason=heartbead attempt, branch ${branch}`,
          '--no-checkout',
          '--no-guess-remote',
          '--no-track',
          '-B',
          branch,
          '--',
          path,
          at,
        ],
        { doing, signal },
      );
      // In a step of its own, since only this one tells how far it is; a large tree takes its time.
      await runGit({ worktree: path }, ['checkout', '--force', '--progress', branch, '--'], {
        doing,
        signal,
        onProgress,
        limit: 'transfer',
        env: { GIT_PROGRESS_DELAY: '0' },
      });
      // The work stays in the working tree; branch and index go back to what the agent had committed.
      if (head !== at) await runGit({ worktree: path }, ['reset', '--quiet', '--mixed', head], { doing, signal });
      const admin = await findAdmin(mirror, path);
      if (admin === undefined)
        throw new GitError(
          'other',
          `git made no entry for the worktree ${path}: run \`git worktree list\` in ${mirror}`,
        );
      await markReady(admin);
    } catch (error) {
      await dropWorktree(path, await findAdmin(mirror, path));
      throw error;
    }
    return { head };
  };
  return withMirror(mirror, signal, () => tellingDiskFailures('making the worktree', make));
}

/** Removes what stands at the path. Whatever is not ours is left alone. */
async function clearPlace(
  mirror: string,
  path: string,
  made: { branch: string; head: string; tree: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const admin = await findAdmin(mirror, path);
  const target = await gitFileTarget(path);
  if (admin === undefined && (target !== undefined || !(await emptyOrAbsent(path)))) {
    throw new GitError(
      'bad_input',
      `there is something at ${path} that is no worktree of this mirror: move it away, or remove it`,
    );
  }
  if (target === 'repository')
    throw new GitError('bad_input', `there is another repository at ${path}: move it away, or remove it`);
  if (admin?.ready === true && !admin.removing && (await exists(path))) {
    // Somebody removed it; without it git could not look at what is here.
    if (target === undefined) await writeFile(join(path, '.git'), `gitdir: ${admin.dir}\n`);
    await keepWork(mirror, path, made, signal);
  }
  await dropWorktree(path, admin);
}

async function keepWork(
  mirror: string,
  path: string,
  { branch, head, tree }: { branch: string; head: string; tree: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await commitOf({ worktree: path }, 'HEAD', signal);
  const snapshot = await takeSnapshot(path, signal);
  if (found === head && snapshot.tree === tree) return;
  const attempt = branch.split('/').at(-1) ?? branch;
  const kept = await commitTree(
    { worktree: path },
    { tree: snapshot.tree, parent: found, subject: `Work found in the worktree of ${branch}`, attempt, signal },
  );
  await keepCommit(mirror, branch, kept, signal);
}

/** A leftover branch is made again; commits that only it reaches are kept. */
async function freeBranch(
  mirror: string,
  branch: string,
  head: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Nobody but a killed `git worktree add` of this attempt can have left it.
  await removeStaleLock(join(mirror, `refs/heads/${branch}.lock`), signal);
  const tip = await commitOf({ mirror }, `refs/heads/${branch}`, signal);
  if (tip === undefined || tip === head || (await reachableFrom({ mirror }, tip, [head], signal))) return;
  await keepCommit(mirror, branch, tip, signal);
}

async function keepCommit(
  mirror: string,
  branch: string,
  commit: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ref = `refs/heartbead-kept/${branch}/${new Date().toISOString().replace(/[-:.]/g, '')}`;
  await runGit({ mirror }, ['update-ref', '--end-of-options', ref, commit], {
    doing: 'keeping work that was found',
    signal,
  });
}

async function emptyOrAbsent(path: string): Promise<boolean> {
  try {
    if ((await readdir(path)).length > 0) return false;
    await rm(path, { recursive: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}
