import type { MergeOutcome } from '../../contract/index.js';
import { clip, refNames } from '../../contract/index.js';
import { GitError } from '../git-error.js';
import { checkedRepo } from '../git-input.js';
import { mirrorPath } from '../mirror-path.js';
import { survey } from './survey.js';
import type { Ground, Surveyed } from './survey.js';
import { makeMerge } from './make-merge.js';
import { removeScratchTree } from './merge-item.js';
import { PullRequestError, PullRequestPending, waitAfter } from './pull-requests.js';
import type { OpenState, PullRequest, PullRequests } from './pull-requests.js';
import { makeScratch } from './scratch-tree.js';
import type { MergeContext } from './types.js';
import { isOnRemote } from './verify-merged.js';

/** A forge's git servers may be behind its own word by seconds; after 10 min they are not behind, they differ. */
const forgeLag = 10 * 60_000;

/**
 * Opens a pull request once the branch merges without conflict and the checks pass on the merged tree, and then only
 * looks how it stands: the merge is the forge's. Called again it finds the one that is there.
 * @returns `merged` only when the remote's target has the merge.
 * @throws PullRequestPending while it is open; PullRequestError; GitError; the signal's reason.
 */
export async function landByPullRequest(context: MergeContext, pulls: PullRequests): Promise<MergeOutcome> {
  const { item, say, observe, signal } = context;
  const { branch: head, target: base } = item;
  const repo = checkedRepo(context.repo);
  try {
    // One list for all that wait there, and nothing else as long as it is open: git need not be asked.
    const waiting = (await pulls.open({ repo, base, signal })).find((one) => one.head === head);
    if (waiting !== undefined) return await stillOpen(context, pulls, waiting);
    const looked = await survey(context);
    if (looked.kind === 'merged') return landed(context, looked.sha);
    say(`looking for the pull request of ${head}`);
    // Before the branch itself: forges delete it after the merge.
    const known = await pulls.find({ repo, head, base, signal });
    if (known === undefined) {
      const problem = unusable(looked);
      if (problem !== undefined) return problem;
      const failed = await tryOut(context, looked);
      if (failed !== undefined) return failed;
    }
    const pullRequest = known ?? (await open(context, pulls, repo));
    await observe('opened');
    return await judge(context, pulls, pullRequest);
  } finally {
    await removeScratchTree(context);
  }
}

const landed = ({ item }: MergeContext, sha: string): MergeOutcome => ({
  outcome: 'merged',
  sha,
  target: item.target,
  strategy: 'pr',
});

function unusable(looked: Surveyed): MergeOutcome | undefined {
  if (looked.kind === 'unusable') return { outcome: 'error', reason: looked.reason };
  if (looked.kind === 'moved')
    throw new GitError('unreachable', 'the remote changed while it was looked at: trying again may help');
  return undefined;
}

/**
 * Merges here, and runs the checks: what would not merge, or would break the target, is not worth a reviewer's time.
 */
async function tryOut(context: MergeContext, looked: Surveyed): Promise<MergeOutcome | undefined> {
  if (looked.kind !== 'ready') return undefined;
  const conflict = await conflictWith(context, looked.ground);
  if (conflict !== undefined) return conflict;
  await context.observe('merged');
  const failed = await context.runChecks(context.scratch);
  if (failed !== undefined) return { outcome: 'checks_failed', ...failed };
  await context.observe('checked');
  return undefined;
}

async function conflictWith(
  { item, scratch, say, signal }: MergeContext,
  { mirror, target }: Ground,
): Promise<MergeOutcome | undefined> {
  say(`merging ${item.branch} into ${item.target} (to try it)`);
  await makeScratch(mirror, scratch, target, signal, { merging: [item.sha] });
  const made = await makeMerge({ scratch, target, item, strategy: 'merge', signal });
  if (made.kind === 'unrelated')
    return { outcome: 'unrelated', target: item.target, targetSha: target, lost: made.lost };
  return made.kind === 'conflict'
    ? { outcome: 'conflict', paths: made.paths, target: item.target, targetSha: target }
    : undefined;
}

async function open(context: MergeContext, pulls: PullRequests, repo: string): Promise<PullRequest> {
  const { item, say, confirm, signal } = context;
  const { branch: head, target: base } = item;
  confirm();
  // Before the new one: cut off in between, the next call finds none of this branch and comes here again.
  await closeOfEarlierRounds(context, pulls, repo);
  say(`opening a pull request for ${head}`);
  try {
    return await pulls.create({
      repo,
      head,
      base,
      title: clip(item.title.replace(/\s+/g, ' '), 200),
      body: `Work of ${item.item}, verified at ${item.sha}.`,
      signal,
    });
  } catch (error) {
    // Another call, cut off before it could tell, may have opened it in the meantime.
    const there =
      error instanceof PullRequestError && error.kind === 'refused'
        ? await pulls.find({ repo, head, base, signal })
        : undefined;
    if (there === undefined) throw error;
    return there;
  }
}

/**
 * Each round of rework has a branch of its own, and so a pull request of its own: a reviewer is to find one per bead.
 */
async function closeOfEarlierRounds(
  { item, refPrefix, say, signal }: MergeContext,
  pulls: PullRequests,
  repo: string,
): Promise<void> {
  const prefix = refNames(refPrefix).branch(item.item, '');
  if (!item.branch.startsWith(prefix)) return;
  const earlier = (await pulls.open({ repo, base: item.target, signal })).filter(({ head }) => head.startsWith(prefix));
  for (const pullRequest of earlier) {
    say(`closing ${pullRequest.url}, of an earlier round`);
    await pulls.close({
      repo,
      pullRequest,
      comment: `Reworked: the work of ${item.item} goes on in ${item.branch}, with a pull request of its own.`,
      signal,
    });
  }
}

async function judge(context: MergeContext, pulls: PullRequests, pullRequest: PullRequest): Promise<MergeOutcome> {
  const { item, signal } = context;
  const repo = checkedRepo(context.repo);
  const { url } = pullRequest;
  const found = await pulls.state(repo, pullRequest, signal);
  switch (found.state) {
    case 'merged': {
      if (found.sha === undefined)
        throw new PullRequestPending(`${url} is merged, but GitHub does not say yet as which commit`);
      // Nothing counts as merged before the remote itself shows it.
      if (
        await isOnRemote(
          { repo, mirrors: context.mirrors, mirror: mirrorPath(context.mirrors, repo) },
          item.target,
          found.sha,
          signal,
        )
      )
        return landed(context, found.sha);
      const missing = `${url} is merged as ${found.sha}, but that commit is not on ${item.target}`;
      if (found.at !== undefined && Date.now() - found.at < forgeLag) throw new PullRequestPending(`${missing} yet`);
      return {
        outcome: 'error',
        reason: `${missing}: was it merged into another branch, or ${item.target} rewritten?`,
      };
    }
    case 'closed':
      return {
        outcome: 'error',
        reason: `${url} was closed without a merge: reopen it and retry the bead, or cancel the bead`,
      };
    case 'open':
      return stillOpen(context, pulls, { ...pullRequest, ...found });
  }
}

/**
 * @returns an outcome where waiting would be of no use.
 * @throws PullRequestPending
 */
async function stillOpen(
  context: MergeContext,
  pulls: PullRequests,
  found: PullRequest & OpenState,
): Promise<MergeOutcome> {
  const { item, signal } = context;
  const { url } = found;
  if (found.headSha !== item.sha)
    return {
      outcome: 'error',
      reason:
        `${url} is at ${found.headSha}, no longer at the verified commit ${item.sha}: somebody pushed to its ` +
        'branch, and what is there now was never verified',
    };
  if (found.changesRequested) {
    const text = await pulls.reviews({ repo: checkedRepo(context.repo), pullRequest: found, signal });
    return {
      outcome: 'changes_requested',
      url,
      text: text === '' ? '(nothing in words that could be read; look at it there)' : clip(text),
    };
  }
  if (found.conflicting) {
    const looked = await survey(context);
    if (looked.kind === 'merged') return landed(context, looked.sha);
    const conflict = looked.kind === 'ready' ? await conflictWith(context, looked.ground) : undefined;
    if (conflict !== undefined) return conflict;
  }
  throw new PullRequestPending(`${url} is open: ${found.waitsFor}`, waitAfter(found.updatedAt, Date.now()));
}
