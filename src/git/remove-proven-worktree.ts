import { readdir } from 'node:fs/promises';
import { attemptRefs, refNames } from '../contract/index.js';
import type { EndedBead } from '../domain/bead/ended.js';
import { findAgentGit } from './agent-git.js';
import { commitOf, hasCommit, reachableFrom, treeOf } from './commits.js';
import { tellingDiskFailures } from './disk-failure.js';
import { ensureCommit } from './ensure-commit.js';
import { fetchMirror } from './fetch-mirror.js';
import { exists } from './files.js';
import { GitError } from './git-error.js';
import { checkedIds, checkedPath, checkedRepo } from './git-input.js';
import { keepRefs } from './keep-refs.js';
import { bringIntoVault, headOf, keeperState, markRemoving, openKeeper } from './keeper.js';
import { withMirror } from './mirror-lock.js';
import { finishedRef } from './push-branch.js';
import { remoteRefs } from './remote-refs.js';
import { lostWithin } from './repositories-within.js';
import { runGit } from './run-git.js';
import { usualSaveRules } from './save-rules.js';
import { takeSnapshot } from './snapshot.js';
import { deleteWorktreeFiles, findAdmin, markEntryRemoving } from './worktree-admin.js';

export interface RemoveProvenWorktreeOptions {
  mirror: string;
  path: string;
  /** URL or path of the repository. */
  remote: string;
  bead: string;
  attempt: string;
  /**
   * The end of its bead, when that is closed: what earlier attempts had left is then superseded, and may be gone there.
   */
  ended?: EndedBead | undefined;
  /** Its rig keeps saves on the host: then what is saved in this host's mirror is proof enough. */
  savedHere?: boolean | undefined;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface Removal {
  removed: boolean;
  /** One sentence; when it was kept, what is missing. */
  reason: string;
  /** It was kept for work that the remote has not; a save of all of it would be the proof. */
  unpushed?: true | undefined;
}

/**
 * Removes the worktree of an attempt that has ended, but only when the remote itself has shown that nothing in it would
 * be lost: the commit at HEAD is reachable from a ref there, and uncommitted work is the very tree of the saved work
 * there. Ignored files go with it. When in doubt it stays, with the reason.
 * @throws GitError when the remote or the worktree could not be asked; nothing is removed then.
 */
export async function removeProvenWorktree(options: RemoveProvenWorktreeOptions): Promise<Removal> {
  return tellingDiskFailures('removing the worktree', () => remove(options));
}

async function remove({
  mirror,
  path,
  remote,
  bead,
  attempt,
  ended,
  savedHere,
  refPrefix,
  signal,
}: RemoveProvenWorktreeOptions): Promise<Removal> {
  checkedIds(bead, attempt);
  checkedPath(path);
  const repo = checkedRepo(remote);
  if (!(await exists(mirror)))
    return (await exists(path))
      ? {
          removed: false,
          reason: `its mirror ${mirror} is gone, so nothing can be proven: look at ${path} and remove it by hand`,
        }
      : gone;
  const looked = await look(mirror, path);
  if (looked.verdict === 'kept') return { removed: false, reason: looked.reason };
  let reason = looked.reason;
  let onRemote: ReadonlySet<string> = new Set();
  let branch: string | undefined;
  if (looked.verdict === 'ask') {
    const proof = await prove({ mirror, path, repo, bead, attempt, ended, savedHere, refPrefix, signal });
    if (!proof.proven) return { removed: false, reason: proof.reason, unpushed: proof.unpushed };
    reason = proof.reason;
    onRemote = proof.onRemote;
    const keeper = await openKeeper(path);
    const head = await headOf(keeper, signal);
    branch = head.kind === 'unreadable' ? undefined : head.branch;
    await keepRefs(keeper, { under: `refs/heartbead-kept/${bead}/${attempt}`, tips: [...onRemote], signal });
  }
  await withMirror(mirror, signal, async () => {
    const admin = await findAdmin(mirror, path);
    if (admin?.ready === true) await markEntryRemoving(admin);
    if ((await keeperState(path))?.ready === true) await markRemoving(path);
    await deleteWorktreeFiles(path, admin);
    await dropRefs(mirror, { bead, attempt, branch: admin === undefined ? undefined : branch, onRemote }, signal);
  });
  return { removed: true, reason };
}

const gone: Removal = { removed: true, reason: 'there was nothing left of it' };

type Look = { verdict: 'ask' | 'drop' | 'kept'; reason: string };

/** What can be said without asking the remote. */
async function look(mirror: string, path: string): Promise<Look> {
  const admin = await findAdmin(mirror, path);
  const state = (await keeperState(path)) ?? admin;
  if (!(await exists(path))) return { verdict: 'drop', reason: gone.reason };
  if (state?.removing === true)
    return {
      verdict: 'drop',
      reason: 'its work had been proven to be on the remote before; the removal was completed',
    };
  if (state !== undefined && !state.ready)
    return { verdict: 'drop', reason: 'it was never completed, so no agent has worked in it' };
  if (state === undefined && (await readdir(path)).length === 0) return { verdict: 'drop', reason: 'it was empty' };
  const git = state === undefined ? 'is not known here' : await findAgentGit(path, admin === undefined);
  if (typeof git === 'string')
    return {
      verdict: 'kept',
      reason: `${path} is no longer a worktree that can be proven (its .git ${git}): look at it and remove it by hand`,
    };
  return { verdict: 'ask', reason: '' };
}

type Proof =
  { proven: true; reason: string; onRemote: ReadonlySet<string> } | { proven: false; reason: string; unpushed?: true };

async function prove({
  mirror,
  path,
  repo,
  bead,
  attempt,
  ended,
  savedHere,
  refPrefix,
  signal,
}: Omit<RemoveProvenWorktreeOptions, 'remote'> & { repo: string }): Promise<Proof> {
  const vault = { mirror };
  const names = refNames(refPrefix);
  const branchRef = names.branchRef(bead, attempt);
  const wipRef = names.wip(bead, attempt);
  const { refs } = await remoteRefs(repo, ['refs/heads/*', wipRef], 'looking for the work on the remote', signal);
  const known = [
    ...(ended?.superseded.filter((one) => one.attempt === attempt).map(({ sha }) => sha) ?? []),
    ...(ended?.attempt === attempt ? [ended.sha] : []),
  ];
  const here = savedHere === true ? await commitOf(vault, attemptRefs.wip(bead, attempt), signal) : undefined;
  const saves = [refs.get(wipRef), here, ...known].filter((sha) => sha !== undefined);
  // Its commit may have been pushed from here and still not be readable (the mirror was cloned again): then it is
  // fetched.
  for (const [ref, sha] of refs)
    if (ref === branchRef || ref === wipRef) await ensureCommit(mirror, repo, { sha, ref }, { signal });
  const tips = [...refs.values(), ...known];

  const keeper = await openKeeper(path);
  const found = await headOf(keeper, signal);
  if (found.kind === 'unreadable')
    return { proven: false, reason: `it cannot be told what its last commit is (${found.why}): look at ${path}` };
  const head = found.kind === 'commit' ? found.sha : undefined;
  // From here on only the vault is asked, which the agent could not write to.
  if (head !== undefined)
    await bringIntoVault(keeper, {
      sha: head,
      ref: finishedRef(bead, attempt),
      doing: 'keeping the last commit',
      signal,
    });
  if (
    head !== undefined &&
    !(await onRemoteNow(mirror, repo, vault, head, here === undefined ? tips : [...tips, here], signal))
  ) {
    return {
      proven: false,
      reason:
        `its last commit ${head} is on no branch of the remote: push it (\`git -C ${path} push ${repo} ` +
        `HEAD:${branchRef}\`), then try again`,
      unpushed: true,
    };
  }
  const snapshot = await takeSnapshot(keeper, head, signal, { withNested: true, rules: usualSaveRules });
  const problem =
    snapshot.unsaved.find((line) => !line.startsWith('warning: ')) ??
    (await lostWithin(keeper, snapshot.nested, signal));
  if (problem !== undefined)
    return { proven: false, reason: `there is something in it that cannot be saved (${problem}): look at ${path}` };
  const uncommitted = head === undefined || snapshot.tree !== (await treeOf(vault, head, signal));
  if (
    uncommitted &&
    !(await someAsync(
      saves,
      async (save) => (await hasCommit(vault, save, signal)) && (await treeOf(vault, save, signal)) === snapshot.tree,
    ))
  ) {
    return {
      proven: false,
      reason: `it has uncommitted work that is not at ${wipRef} on the remote: save and push it, then try again`,
      unpushed: true,
    };
  }
  return {
    proven: true,
    reason: uncommitted
      ? 'its last commit and its uncommitted work are on the remote'
      : 'its last commit is on the remote, and there was no uncommitted work',
    onRemote: new Set(tips),
  };
}

async function someAsync<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<boolean> {
  for (const item of items) if (await test(item)) return true;
  return false;
}

/**
 * The commit may be reached only by one that is not here yet: somebody has merged it and removed its branch. Then the
 * branches are fetched.
 */
async function onRemoteNow(
  mirror: string,
  repo: string,
  place: { mirror: string },
  commit: string,
  tips: readonly string[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (await reachableFrom(place, commit, tips, signal)) return true;
  await withMirror(mirror, signal, () => fetchMirror(mirror, { repo, signal }));
  return reachableFrom(place, commit, tips, signal);
}

/**
 * The attempt's local refs, and the branch that was checked out, so that a later agent can use its name; only what the
 * remote has, the rest stays.
 */
async function dropRefs(
  mirror: string,
  {
    bead,
    attempt,
    branch,
    onRemote,
  }: { bead: string; attempt: string; branch: string | undefined; onRemote: ReadonlySet<string> },
  signal: AbortSignal | undefined,
): Promise<void> {
  const own = [
    attemptRefs.branchRef(bead, attempt),
    attemptRefs.wip(bead, attempt),
    `refs/heartbead-pushed/${bead}/${attempt}`,
    finishedRef(bead, attempt),
    ...(branch === undefined ? [] : [`refs/heads/${branch}`]),
  ];
  const { stdout } = await runGit({ mirror }, ['for-each-ref', '--format=%(objectname)', 'refs/remotes/origin'], {
    doing: 'listing what the remote has',
    signal,
  });
  const tips = [
    ...onRemote,
    ...stdout
      .trim()
      .split('\n')
      .filter((sha) => sha !== ''),
  ];
  for (const ref of new Set(own)) {
    const sha = await commitOf({ mirror }, ref, signal);
    if (sha === undefined || !(await reachableFrom({ mirror }, sha, tips, signal))) continue;
    try {
      await runGit({ mirror }, ['update-ref', '-d', '--end-of-options', ref, sha], {
        doing: `removing ${ref}`,
        signal,
      });
    } catch (error) {
      // A ref too many does no harm, and an agent's lock on it passes; the worktree is gone, which was the task.
      if (!(error instanceof GitError) || !/\.lock|cannot lock ref/.test(error.stderr)) throw error;
    }
  }
}
