import { attemptRefs } from '../contract/index.js';
import { commitOf } from './commits.js';
import { GitError } from './git-error.js';
import { checkedIds, checkedPath, checkedRepo } from './git-input.js';
import { pushRef } from './push-ref.js';
import { remoteRefs } from './remote-refs.js';
import { secureMirrorOf } from './secure-mirror.js';

export interface PushBranchOptions {
  worktree: string;
  /** URL or path of the repository. */
  remote: string;
  bead: string;
  attempt: string;
  signal?: AbortSignal | undefined;
}

/**
 * Pushes the commit at HEAD to the attempt's branch, whatever branch the agent has checked out, and reads it back from
 * the remote.
 * @returns the branch and the commit that the remote has there.
 * @throws GitError
 */
export async function pushBranch({
  worktree,
  remote,
  bead,
  attempt,
  signal,
}: PushBranchOptions): Promise<{ branch: string; sha: string }> {
  checkedIds(bead, attempt);
  const url = checkedRepo(remote);
  await secureMirrorOf(worktree, url);
  const sha = await commitOf({ worktree: checkedPath(worktree) }, 'HEAD', signal);
  if (sha === undefined)
    throw new GitError(
      'no_such_ref',
      'there is no commit to push: the branch that is checked out has none yet; commit the work first',
    );
  const ref = attemptRefs.branchRef(bead, attempt);
  await pushRef(worktree, { remote: url, sha, ref, doing: 'pushing the branch', submodules: 'check', signal });
  const found = (await remoteRefs(url, [ref], 'reading the pushed branch back', signal)).refs.get(ref);
  if (found !== sha) {
    throw new GitError(
      'rejected',
      `the push of ${sha} was accepted, but the remote has ${found ?? 'nothing'} at ${ref}: look for a hook or a mirror in front of the remote that changes refs`,
    );
  }
  return { branch: attemptRefs.branch(bead, attempt), sha };
}
