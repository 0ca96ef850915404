import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isMissing } from '../edge/errors.js';
import { kindOf } from '../edge/kind-of.js';
import { bothSettled } from './both-settled.js';
import { parentsOf, requireCommit, treeOf } from './commits.js';
import { tellingDiskFailures } from './disk-failure.js';
import { exists } from './files.js';
import { GitError } from './git-error.js';
import { isIdentified } from './identity.js';
import { checkedBranch, checkedPath, checkedSha } from './git-input.js';
import type { GitProgress } from './git-progress.js';
import { keepRefs } from './keep-refs.js';
import {
  bringIntoVault,
  headOf,
  keeperState,
  throughKeeper,
  makeKeeper,
  markReady,
  openKeeper,
  recordBorrowed,
} from './keeper.js';
import { noticingDamage } from './mirror-damage.js';
import { withMirror } from './mirror-lock.js';
import { hasBranchAt, readMirrorRefs } from './mirror-refs.js';
import type { MirrorRefs } from './mirror-refs.js';
import { makeRepository } from './repository-files.js';
import { provideContents } from './lfs/contents.js';
import { runGit } from './run-git.js';
import { fillSubmodules } from './submodules/fill.js';
import { takeSnapshot } from './snapshot.js';
import { emptySpareTree, placeSpareTree } from './spare-tree.js';
import type { SpareTree } from './spare-tree.js';
import { commitTree } from './wip-commit.js';
import { deleteWorktreeFiles, findAdmin } from './worktree-admin.js';

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
  /** `at` was saved before anybody called it done: a submodule whose commit its remote never got is left empty. */
  unfinished?: boolean | undefined;
  /** Where its submodules' relative URLs begin; they are left empty when absent. */
  repo?: string | undefined;
  /** The mirror's refs, where the caller has them. */
  known?: MirrorRefs | undefined;
  /**
   * Files that are checked out already. Used up, whatever becomes of the worktree: what is still at its path is of no
   * use, and the caller's to remove, which may take seconds.
   */
  spare?: SpareTree | undefined;
  /** Whether the agent may push to `origin` by itself. */
  allowPush?: boolean | undefined;
  /** Begun first: what waits for the network meanwhile. Its failure is the worktree's. */
  beside?: (() => Promise<unknown>) | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: GitProgress) => void) | undefined;
}

export interface CreatedWorktree {
  /** The commit at HEAD. */
  head: string;
  /** Whether git knows who commits there ({@link isIdentified}); absent where that would have been waited for. */
  identified: boolean | undefined;
}

/**
 * Makes the worktree of an attempt: a repository of its own, which borrows the mirror's objects, and its keeper beside
 * it. Call it only while no agent can be in it. What an earlier call has left (half-made or whole) is removed and made
 * again; if, against all rules, there is work in it, that is first kept in the mirror under `refs/heartbead-kept/`. A
 * failure leaves no half-made worktree.
 * @throws GitError; the signal's reason when it was aborted.
 */
export async function createWorktree({
  mirror,
  path,
  branch,
  at,
  wip = false,
  unfinished = wip,
  allowPush = false,
  repo,
  known,
  spare,
  beside,
  signal,
  onProgress,
}: CreateWorktreeOptions): Promise<CreatedWorktree> {
  checkedPath(path);
  checkedBranch(branch);
  checkedSha(at);
  const doing = 'making the worktree';
  const make = async (asked: Promise<unknown> | undefined): Promise<CreatedWorktree> => {
    const gitDir = join(path, '.git');
    // At another commit each file is looked at once more.
    if (spare?.at !== at) spare?.look?.stop();
    const whole = await spare?.look?.whole;
    let placed = false;
    const head = await withMirror(mirror, signal, async () => {
      const refs = known ?? (await readMirrorRefs(mirror, { signal }));
      if (!hasBranchAt(refs, at)) await requireCommit({ mirror }, at, signal);
      // A snapshot made on a branch without any commit has no parent: then the snapshot itself is the start.
      const start = (wip ? (await parentsOf({ mirror }, at, signal))[0] : undefined) ?? at;
      await clearPlace(mirror, path, { branch, head: start, at }, signal);
      await mkdir(dirname(path), { recursive: true });
      await makeKeeper(path, { vault: mirror, start });
      try {
        placed = spare !== undefined && (await placeSpareTree(spare, { mirror, to: path, at, signal }));
        await makeRepository(
          gitDir,
          {
            vault: mirror,
            head: `ref: refs/heads/${branch}`,
            refs: { [`refs/heads/${branch}`]: at },
            pushUrl: allowPush ? undefined : refusingPushUrl,
            known: refs,
          },
          signal,
        );
      } catch (error) {
        await deleteWorktreeFiles(path, undefined);
        throw error;
      }
      return start;
    });
    // The files outside of the mirror's lock: a large tree must not hold up the starts of others.
    try {
      await provideContents(mirror, gitDir, [...new Set([at, head])], signal);
      const checkOut = (): Promise<unknown> =>
        runGit({ worktree: path }, ['checkout', '--force', '--progress', branch, '--'], {
          doing,
          signal,
          onProgress,
          limit: 'transfer',
          env: { GIT_PROGRESS_DELAY: '0' },
        });
      const makeEqual = async (): Promise<boolean> => {
        const checkout = checkOut().catch(async (error: unknown) => {
          if (!placed || !(error instanceof GitError)) throw error;
          // With a spare tree that git cannot do with, as much as without one. What else is wrong shows then.
          onProgress?.({ phase: `the spare tree is not used (${error.message})` });
          await emptySpareTree(path);
          return checkOut();
        });
        return (await bothSettled(checkout, isIdentified(path, signal)))[1];
      };
      const isEqual = placed && whole === true && spare?.at === at;
      const [identified] = await bothSettled(isEqual ? undefined : makeEqual(), asked);
      // The work stays in the working tree; branch and index go back to what the agent had committed.
      if (head !== at) await runGit({ worktree: path }, ['reset', '--quiet', '--mixed', head], { doing, signal });
      if (repo !== undefined)
        await fillSubmodules({ tree: path, vault: mirror, repo, at, lenient: unfinished, signal, onProgress });
      await recordBorrowed(path);
      await markReady(path);
      return { head, identified };
    } catch (error) {
      await deleteWorktreeFiles(path, undefined);
      throw error;
    }
  };
  const asked = beside?.();
  asked?.catch(() => undefined);
  try {
    return await tellingDiskFailures(doing, () => noticingDamage(mirror, () => make(asked)));
  } finally {
    await Promise.allSettled([asked, spare?.look?.over]);
  }
}

/**
 * Git asks the program `git-remote-heartbead` to push there (`refusingHelper`), which an agent has on its PATH; without
 * it git itself refuses. No wall: who means to push elsewhere can name another URL. It keeps agents from pushing by
 * habit what nobody has looked at.
 */
const refusingPushUrl = 'heartbead::done';

/** Removes what stands at the path. Whatever is not ours is left alone. */
async function clearPlace(
  mirror: string,
  path: string,
  made: { branch: string; head: string; at: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  // A linked worktree was made by an earlier version.
  const [admin, own] = await Promise.all([findAdmin(mirror, path), keeperState(path)]);
  const state = own ?? admin;
  if (state === undefined && !(await emptyOrAbsent(path))) {
    const what =
      (await kindOf(join(path, '.git'))) === 'folder'
        ? 'another repository'
        : 'something that is no worktree of this mirror';
    throw new GitError('bad_input', `there is ${what} at ${path}: move it away, or remove it`);
  }
  if (state?.ready === true && !state.removing && (await exists(path))) await keepWork(mirror, path, made, signal);
  await deleteWorktreeFiles(path, admin);
}

async function keepWork(
  mirror: string,
  path: string,
  { branch, head, at }: { branch: string; head: string; at: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const keeper = await openKeeper(path);
  const found = await headOf(keeper, signal);
  const parent = found.kind === 'commit' ? found.sha : keeper.start;
  const snapshot = await takeSnapshot(keeper, parent, signal, { distrustIndex: found.kind !== 'commit' });
  const under = `refs/heartbead-kept/${branch}/${new Date().toISOString().replace(/[-:.]/g, '')}`;
  if (parent !== head || snapshot.tree !== (await treeOf({ mirror }, at, signal))) {
    const attempt = branch.split('/').at(-1) ?? branch;
    const kept = await commitTree(throughKeeper(keeper), {
      tree: snapshot.tree,
      parent,
      subject: `Work found in the worktree of ${branch}`,
      attempt,
      signal,
    });
    await bringIntoVault(keeper, { sha: kept, ref: `${under}/found`, doing: 'keeping work that was found', signal });
  }
  await keepRefs(keeper, { under, tips: [head], signal });
}

async function emptyOrAbsent(path: string): Promise<boolean> {
  try {
    if ((await readdir(path)).length > 0) return false;
    await rm(path, { recursive: true });
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}
