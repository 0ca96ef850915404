import type { BranchLook, FleetActivities } from '../../contract/index.js';
import { isAncestor } from '../../git/commits.js';
import { targetBranch } from '../../git/merge/index.js';
import { hasCommit } from '../../git/commits.js';
import { checkedRepo } from '../../git/git-input.js';
import { remoteRefs } from '../../git/remote-refs.js';
import { GitError, updateMirror } from '../../git/index.js';
import { withBeats } from '../beats.js';
import { asGitFailure } from '../failures.js';
import type { FleetDeps } from './deps.js';
import { readInput } from './input.js';

/**
 * `lookAtBranch`: where a branch of the remote stands, and which of some commits are not (or no longer) on it. The
 * remote itself is asked; what git could not answer is an error, never an answer. Fails by `SetupUnreachable` (the
 * server tries again) or `SetupFailed` (it does not).
 */
export function makeLookAtBranch({ mirrors }: Pick<FleetDeps, 'mirrors'>): FleetActivities['lookAtBranch'] {
  return async (given) => {
    const { repo, branch, contains } = readInput('lookAtBranch', given);
    try {
      return await withBeats(`looks at ${branch === '' ? 'the default branch' : branch} on the remote`, async () =>
        look(mirrors, checkedRepo(repo), await targetBranch(repo, branch), contains),
      );
    } catch (error) {
      throw asGitFailure(error);
    }
  };
}

async function look(mirrors: string, repo: string, branch: string, contains: readonly string[]): Promise<BranchLook> {
  const ref = `refs/heads/${branch}`;
  const sha = (await remoteRefs(repo, [ref], `looking for branch ${branch}`)).refs.get(ref);
  if (sha === undefined) return { missing: [...contains] };
  const others = contains.filter((commit) => commit !== sha);
  if (others.length === 0) return { sha, missing: [] };
  const { path: mirror } = await updateMirror({ root: mirrors, repo });
  if (!(await hasCommit({ mirror }, sha)))
    throw new GitError('unreachable', `${branch} was rewritten while it was looked at: trying again may help`);
  const missing: string[] = [];
  for (const commit of others) {
    // After the fetch: what is not here is on no branch of the remote.
    if (!(await hasCommit({ mirror }, commit)) || !(await isAncestor({ mirror }, commit, sha))) missing.push(commit);
  }
  return { sha, missing };
}
