import { mergedBy } from '../../contract/index.js';
import type { MergeOutcome, MergeStrategy } from '../../contract/index.js';
import { checkedRepo } from '../git-input.js';
import { mirrorPath } from '../mirror-path.js';
import { survey } from './survey.js';
import { removeScratchTree } from './merge-item.js';
import type { PullRequest, PullRequests } from './pull-requests.js';
import type { MergeContext } from './types.js';
import { isOnRemote } from './verify-merged.js';

/**
 * For an item that nobody wants merged any more: merges nothing, only finds out whether it is on its target already,
 * and removes what is left of its merge.
 * @returns `merged` with the commit on the target, or `error`.
 * @throws GitError, PullRequestError; the signal's reason.
 */
export async function tellWithdrawn(
  context: MergeContext,
  strategy: MergeStrategy,
  pulls: PullRequests,
): Promise<MergeOutcome> {
  const { item, say } = context;
  say(`looking whether ${item.item} is on ${item.target} already`);
  const merged = (sha: string): MergeOutcome => ({ outcome: 'merged', sha, target: item.target, strategy });
  try {
    const looked = await survey(context);
    if (looked.kind === 'merged') return merged(looked.sha);
    const open = mergedBy(strategy) === 'forge' ? await pullRequestOf(context, pulls) : undefined;
    if (open !== undefined && 'sha' in open) return merged(open.sha);
    return {
      outcome: 'error',
      reason:
        'withdrawn before it was ' +
        `merged${open === undefined ? '' : `; its pull request ${open.url} is still there: close it`}`,
    };
  } finally {
    await removeScratchTree(context);
  }
}

async function pullRequestOf(
  { repo: given, item, mirrors, signal }: MergeContext,
  pulls: PullRequests,
): Promise<PullRequest | { sha: string } | undefined> {
  const repo = checkedRepo(given);
  const found = await pulls.find({ repo, head: item.branch, base: item.target, signal });
  if (found === undefined) return undefined;
  const state = await pulls.state(repo, found, signal);
  if (state.state === 'open') return found;
  const there =
    state.state === 'merged' &&
    state.sha !== undefined &&
    (await isOnRemote({ repo, mirrors, mirror: mirrorPath(mirrors, repo) }, item.target, state.sha, signal));
  return there && state.sha !== undefined ? { sha: state.sha } : undefined;
}
