import { readAttemptRef } from '../contract/index.js';
import type { Checkpoint } from '../contract/index.js';
import { hasCommit } from './commits.js';
import { fetchCommits } from './fetch-commits.js';
import { GitError } from './git-error.js';
import { checkedRef, checkedRepo, checkedSha } from './git-input.js';
import type { GitProgress } from './git-progress.js';
import { withMirror } from './mirror-lock.js';
import { remoteRefs } from './remote-refs.js';
import { isWip } from './wip-commit.js';

/**
 * Makes sure that the commit of a checkpoint is in the mirror; asks the remote only when it is not.
 *
 * A runner that pushed a newer save and died before it could report it leaves a checkpoint whose commit nothing on the
 * remote reaches any more. The newer save at the same ref is by the same attempt (no other pushes there), so it is
 * fetched and returned instead.
 * @param checkpoint `ref` is a full ref name.
 * @returns the checkpoint to go on from: the one given, or the newer one. Use its `sha` and `wip`.
 * @throws GitError `no_such_ref` when the remote has neither.
 */
export async function ensureCommit(
  mirror: string,
  repo: string,
  checkpoint: { sha: string; ref: string; wip?: boolean },
  {
    signal,
    onProgress,
  }: { signal?: AbortSignal | undefined; onProgress?: ((progress: GitProgress) => void) | undefined } = {},
): Promise<Checkpoint> {
  const remote = checkedRepo(repo);
  const sha = checkedSha(checkpoint.sha);
  const ref = checkedRef(checkpoint.ref);
  const found = async (commit: string): Promise<Checkpoint> => ({
    sha: commit,
    ref,
    wip: commit === sha && checkpoint.wip !== undefined ? checkpoint.wip : await isWip({ mirror }, commit, signal),
  });
  return withMirror(mirror, signal, async () => {
    if (await hasCommit({ mirror }, sha, signal)) return found(sha);
    const newest = (await remoteRefs(remote, [ref], `looking for ${ref}`, signal)).refs.get(ref);
    if (newest === undefined)
      throw new GitError(
        'no_such_ref',
        `the saved work ${sha} is not in the mirror, and its ref ${ref} is no longer on the remote: start ` +
          'again from the base branch',
      );
    // No local ref is made: nothing is ever collected in a mirror, and a ref of this name may hold a local save that
    // was never pushed.
    await fetchCommits(mirror, remote, [ref], { doing: `fetching ${ref}`, signal, onProgress });
    if (await hasCommit({ mirror }, sha, signal)) return found(sha);
    if (readAttemptRef(ref) !== undefined) return found(newest);
    throw new GitError(
      'no_such_ref',
      `commit ${sha} is not on ${ref} of the remote any more (that is at ${newest}): start again from the base branch`,
    );
  });
}
