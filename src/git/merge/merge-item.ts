import type { MergeOutcome } from '../../contract/index.js';
import { checkedRepo } from '../git-input.js';
import { mirrorPath } from '../mirror-path.js';
import { survey } from './survey.js';
import type { Ground, Surveyed } from './survey.js';
import { makeMerge } from './make-merge.js';
import type { LocalStrategy } from './make-merge.js';
import { pushMerge } from './push-merge.js';
import { handOver, makeScratch, removeScratch } from './scratch-tree.js';
import type { MergeContext } from './types.js';
import { isOnRemote } from './verify-merged.js';

/**
 * Each time the target moves during the checks they run again. After five times the queue should see to it that others
 * get their turn.
 */
export const maxTries = 5;

/**
 * Brings an item onto its target: look, merge in a scratch tree, check, push with a lease, read back; from the top when
 * the target moved meanwhile. May be cut off anywhere and called again, also on another host: what is on the remote
 * already is found there and never merged twice.
 * @throws GitError when something is out of order: never a verdict on the item. The signal's reason when it was
 * aborted.
 */
export async function mergeItem(context: MergeContext, strategy: LocalStrategy): Promise<MergeOutcome> {
  const { item, say, observe, signal } = context;
  try {
    for (let tried = 1; tried <= maxTries; tried += 1) {
      signal?.throwIfAborted();
      if (tried > 1) say(`${item.target} moved: from the top, try ${tried} of ${maxTries}`);
      const looked = await survey(context);
      if (looked.kind === 'moved') continue;
      if (looked.kind === 'unusable') return { outcome: 'error', reason: looked.reason };
      if (looked.kind === 'merged') return await foundMerged(context, strategy, looked);
      await observe('looked');
      const ended = await attempt(context, strategy, looked.ground);
      if (ended !== 'moved') return ended;
    }
    return {
      outcome: 'push_rejected',
      retry: true,
      reason:
        `${item.target} moved ${maxTries} times while this merge was prepared and checked: it is tried again ` +
        'later',
    };
  } finally {
    await removeScratchTree(context);
  }
}

/** What came past the refinery has not been checked by it: that is made up for, on the commit that brought it. */
async function foundMerged(
  { item, scratch, say, runChecks, signal }: MergeContext,
  strategy: LocalStrategy,
  { sha, recorded, mirror }: Extract<Surveyed, { kind: 'merged' }>,
): Promise<MergeOutcome> {
  if (recorded) return { outcome: 'merged', sha, target: item.target, strategy };
  say(`${item.target} has it already, not by the refinery: checking it there`);
  await makeScratch(mirror, scratch, sha, signal);
  const failed = await runChecks(scratch);
  if (failed === undefined) return { outcome: 'merged', sha, target: item.target, strategy, foreign: true };
  return {
    outcome: 'error',
    reason:
      `${item.target} has this work already as ${sha}, and not by the refinery: its agent, or somebody else, ` +
      `pushed or merged it; the check ${failed.check} ${failed.timedOut ? 'does not end in time' : 'fails'} ` +
      `there. Mend or revert it on ${item.target}`,
  };
}

async function attempt(
  context: MergeContext,
  strategy: LocalStrategy,
  ground: Ground,
): Promise<MergeOutcome | 'moved'> {
  const { item, scratch, say, observe, confirm, signal } = context;
  say(`merging ${item.branch} into ${item.target} (${strategy})`);
  await makeScratch(ground.mirror, scratch, ground.target, signal, { merging: [item.sha] });
  const { sign, signoff } = context;
  const made = await makeMerge({ scratch, target: ground.target, item, strategy, sign, signoff, signal });
  const merged = (sha: string): MergeOutcome => ({ outcome: 'merged', sha, target: item.target, strategy });
  if (made.kind === 'conflict')
    return { outcome: 'conflict', paths: made.paths, target: item.target, targetSha: ground.target };
  if (made.kind === 'unrelated')
    return { outcome: 'unrelated', target: item.target, targetSha: ground.target, lost: made.lost };
  if (made.kind === 'nothing') return merged(ground.target);
  await handOver(ground.mirror, scratch, made.sha, signal);
  await observe('merged');
  const failed = await context.runChecks(scratch);
  if (failed !== undefined) return { outcome: 'checks_failed', ...failed };
  await observe('checked');
  signal?.throwIfAborted();
  confirm();

  // From here to the answer nothing is interrupted: a cancel that comes now comes too late, and the truth is more use
  // than a quick end.
  const pushed = await pushMerge(context, ground, made.sha);
  if (pushed.kind === 'moved') return 'moved';
  if (pushed.kind === 'refused')
    return {
      outcome: 'push_rejected',
      retry: false,
      reason: `the remote refuses the push to ${item.target}: ${pushed.reason}`,
    };
  say(`reading ${item.target} back`);
  // Rewritten again within this moment: the next look finds out what is there now.
  if (!(await isOnRemote({ ...context, mirror: ground.mirror }, item.target, made.sha))) return 'moved';
  await observe('verified');
  return merged(made.sha);
}

/**
 * Whatever the outcome, and also without one. A tree that cannot be removed now is removed before the next merge of
 * this item or at the next start.
 */
export async function removeScratchTree({ repo, mirrors, scratch, warn, observe }: MergeContext): Promise<void> {
  try {
    await removeScratch(mirrorPath(mirrors, checkedRepo(repo)), scratch);
    await observe('removed');
  } catch (error) {
    warn(`the scratch tree ${scratch} could not be removed`, error);
  }
}
