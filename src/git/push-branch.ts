import { refNames } from '../contract/index.js';
import { GitError } from './git-error.js';
import { checkedIds, checkedPath, checkedRepo, checkedSha } from './git-input.js';
import { bringIntoVault, headOf, openKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { takeNewContents } from './lfs/take.js';
import { pushOwnRefs } from './push-ref.js';
import type { PushedRef } from './push-ref.js';
import { remoteRefs } from './remote-refs.js';
import { unpushedWithin } from './repositories-within.js';
import { secureMirror } from './secure-mirror.js';
import type { Voucher } from './vouch.js';

export interface PushBranchOptions {
  worktree: string;
  /** URL or path of the repository. */
  remote: string;
  bead: string;
  attempt: string;
  /** The finished commit; the one at HEAD when absent, whatever branch is checked out. */
  sha?: string | undefined;
  /** Gives the runner's word for it; absent when the bead hears of the push by the answer alone. */
  voucher?: Pick<Voucher, 'mark'> | undefined;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The attempt's branch on the remote, and its commit. */
export interface PushedBranch {
  branch: string;
  sha: string;
}

/**
 * Pushes the finished commit to the attempt's branch, together with the runner's word for it, and reads the branch back
 * from the remote. A remote that does not take the word gets the branch alone: the bead then has the runner's report,
 * and only a runner that dies before it can report is not believed.
 * @throws GitError
 */
export async function pushBranch({
  worktree,
  remote,
  bead,
  attempt,
  sha: finished,
  voucher,
  refPrefix,
  signal,
}: PushBranchOptions): Promise<PushedBranch> {
  checkedIds(bead, attempt);
  const url = checkedRepo(remote);
  if (finished !== undefined) checkedSha(finished);
  const keeper = await openKeeper(checkedPath(worktree));
  await secureMirror(keeper.vault, url);
  const names = refNames(refPrefix);
  const ref = names.branchRef(bead, attempt);
  const sha = finished ?? (await commitAtHead(keeper, signal));
  const unpushed = await unpushedWithin(keeper, signal);
  if (unpushed !== undefined)
    throw new GitError('rejected', `${unpushed}: push it there first, or nobody can use what you have committed here`);
  await bringIntoVault(keeper, { sha, ref: finishedRef(bead, attempt), doing: 'keeping the finished work', signal });
  await takeNewContents(keeper, sha, signal);
  const marker = voucher && {
    sha: await voucher.mark({ mirror: keeper.vault }, bead, attempt, sha, signal),
    ref: names.done(bead, attempt),
  };
  const push = (...refs: PushedRef[]): Promise<void> =>
    pushOwnRefs(keeper.vault, { remote: url, refs, doing: 'pushing the branch', signal });
  try {
    await push({ sha, ref }, ...(marker === undefined ? [] : [marker]));
  } catch (error) {
    // Which of the two was not taken is told by trying the one that matters; its refusal is the one worth telling.
    if (marker === undefined || !(error instanceof GitError) || error.kind !== 'rejected') throw error;
    await push({ sha, ref });
  }
  const found = (await remoteRefs(url, [ref], 'reading the pushed branch back', signal)).refs.get(ref);
  if (found !== sha) {
    throw new GitError(
      'rejected',
      `the push of ${sha} was accepted, but the remote has ${found ?? 'nothing'} at ${ref}: look for a hook ` +
        'or a mirror in front of the remote that changes refs',
    );
  }
  return { branch: names.branch(bead, attempt), sha };
}

async function commitAtHead(keeper: Keeper, signal: AbortSignal | undefined): Promise<string> {
  const head = await headOf(keeper, signal);
  switch (head.kind) {
    case 'commit':
      return head.sha;
    case 'unborn':
      throw new GitError(
        'no_such_ref',
        'there is no commit to push: the branch that is checked out has none yet; commit the work first',
      );
    case 'unreadable':
      throw new GitError('other', `the work cannot be pushed: ${head.why}; mend that, or make the commit again`);
  }
}

/** Where the vault keeps a commit that an agent has reported as its finished work. */
export const finishedRef = (bead: string, attempt: string): string => `refs/heartbead-finished/${bead}/${attempt}`;
