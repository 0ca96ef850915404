import type { MergeOutcome } from '../../contract/index.js';
import { hasCommit } from '../commits.js';
import { checkedBranch, checkedRepo, checkedSha } from '../git-input.js';
import { remoteRefs } from '../remote-refs.js';
import { updateMirror } from '../update-mirror.js';
import { movedBranchProblem } from './survey.js';
import { removeScratchTree } from './merge-item.js';
import { pushRefs } from './push-refs.js';
import { makeScratch } from './scratch-tree.js';
import type { MergeContext } from './types.js';

/**
 * Merges nothing: sees to it that the branch is on the remote at its verified commit, and that the checks pass on the
 * branch's own tree. A branch that was deleted over there is pushed again, as long as this host has its commit.
 * @throws GitError; the signal's reason.
 */
export async function landBranchOnly(context: MergeContext, hasChecks: boolean): Promise<MergeOutcome> {
  const { item, mirrors, scratch, say, observe, signal } = context;
  const repo = checkedRepo(context.repo);
  const ref = `refs/heads/${checkedBranch(item.branch)}`;
  checkedSha(item.sha);
  const ask = async (aborted?: AbortSignal): Promise<string | undefined> =>
    (await remoteRefs(repo, [ref], `looking for branch ${item.branch}`, aborted)).refs.get(ref);
  const landed: MergeOutcome = { outcome: 'merged', sha: item.sha, target: item.target, strategy: 'branch-only' };
  try {
    say(`looking for ${item.branch}`);
    const found = await ask(signal);
    if (found !== undefined && found !== item.sha)
      return { outcome: 'error', reason: movedBranchProblem(item.branch, item.sha, found) ?? '' };
    if (found !== undefined && !hasChecks) return landed;
    const { path: mirror } = await updateMirror({ root: mirrors, repo, signal });
    if (!(await hasCommit({ mirror }, item.sha, signal)))
      return { outcome: 'error', reason: movedBranchProblem(item.branch, item.sha, undefined) ?? '' };
    if (hasChecks) {
      await makeScratch(mirror, scratch, item.sha, signal);
      const failed = await context.runChecks(scratch);
      if (failed !== undefined) return { outcome: 'checks_failed', ...failed };
      await observe('checked');
      signal?.throwIfAborted();
    }
    if (found === undefined) {
      context.confirm();
      await observe('pushing');
      say(`pushing ${item.branch}`);
      const pushed = await pushRefs(mirror, repo, [{ ref, sha: item.sha }], `pushing ${item.branch}`);
      if (pushed.kind === 'not-taken' && (await ask()) === undefined)
        return {
          outcome: 'push_rejected',
          retry: false,
          reason: `the remote refuses the push of ${item.branch}: ${pushed.reason}`,
        };
      await observe('pushed');
    }
    const problem = movedBranchProblem(item.branch, item.sha, await ask());
    return problem === undefined ? landed : { outcome: 'error', reason: problem };
  } finally {
    await removeScratchTree(context);
  }
}
