import { clip } from '../../contract/index.js';
import { hasCommit } from '../commits.js';
import { GitError } from '../git-error.js';
import { checkedBranch, checkedRepo, checkedSha } from '../git-input.js';
import { remoteRefs } from '../remote-refs.js';
import { updateMirror } from '../update-mirror.js';
import { findMerged } from './find-merged.js';
import { mergedRef } from './merge-record.js';
import type { MergeContext } from './types.js';

/** The commits that a merge starts from, as the remote had them. */
export interface Ground {
  mirror: string;
  target: string;
  /** What stands at the marker, when there is something (the target has been rewritten since). */
  marker?: string | undefined;
}

export type Surveyed =
  /** `recorded`: the refinery brought it there; else somebody pushed or merged it. */
  | { kind: 'merged'; sha: string; recorded: boolean; mirror: string }
  | { kind: 'ready'; ground: Ground }
  /** It cannot be merged as things are; `reason` says what to do. */
  | { kind: 'unusable'; reason: string }
  /** The remote changed between the question and the fetch. */
  | { kind: 'moved' };

const headsRef = (branch: string): string => `refs/heads/${branch}`;

/**
 * @returns the branch to land on: the one that was named, or the remote's default one when the name is empty. @throws
 * GitError
 */
export async function targetBranch(repo: string, target: string, signal?: AbortSignal): Promise<string> {
  if (target !== '') return checkedBranch(target);
  const { head } = await remoteRefs(checkedRepo(repo), ['HEAD'], 'asking for the default branch', signal);
  if (head?.startsWith('refs/heads/') === true) return head.slice('refs/heads/'.length);
  throw new GitError(
    'no_such_ref',
    'the repository does not say which branch is its default one: set the base of the rig',
  );
}

/**
 * Look before acting: asks the remote where target, branch and marker stand, and brings their commits into the mirror.
 * @throws GitError
 */
export async function survey({ repo: given, mirrors, item, refPrefix, say, signal }: MergeContext): Promise<Surveyed> {
  const repo = checkedRepo(given);
  checkedSha(item.sha);
  const [targetRef, branchRef, marker] = [
    headsRef(checkedBranch(item.target)),
    headsRef(checkedBranch(item.branch)),
    mergedRef(item, refPrefix),
  ];
  say(`fetching ${item.target} and ${item.branch}`);
  const { refs } = await remoteRefs(repo, [targetRef, branchRef, marker], 'looking for the branches to merge', signal);
  const { path: mirror } = await updateMirror({
    root: mirrors,
    repo,
    signal,
    onProgress: ({ phase, percent }) => say(`fetching: ${phase}${percent === undefined ? '' : ` ${percent} %`}`),
  });
  const target = refs.get(targetRef);
  if (target === undefined)
    return {
      kind: 'unusable',
      reason:
        `there is no branch ${item.target} on the remote to land on: was it deleted or renamed? Push it again, ` +
        'or set another base or target',
    };
  if (!(await hasCommit({ mirror }, target, signal))) return { kind: 'moved' };

  const merged = await findMerged(mirror, item, { target, marker: refs.get(marker) }, signal);
  if (merged !== undefined) return { kind: 'merged', ...merged, mirror };
  const problem = movedBranchProblem(item.branch, item.sha, refs.get(branchRef));
  if (problem !== undefined) return { kind: 'unusable', reason: problem };
  if (!(await hasCommit({ mirror }, item.sha, signal))) return { kind: 'moved' };
  return { kind: 'ready', ground: { mirror, target, marker: refs.get(marker) } };
}

/** @returns why a branch is not what was verified, or undefined when it is. */
export function movedBranchProblem(branch: string, verified: string, found: string | undefined): string | undefined {
  if (found === undefined)
    return (
      `branch ${clip(branch, 200)} is no longer on the remote: it was deleted after its verification at ` +
      `${verified}; push it again, then retry`
    );
  if (found !== verified)
    return (
      `branch ${clip(branch, 200)} is at ${found}, no longer at the verified commit ${verified}: somebody ` +
      'pushed to it, and what is there now was never verified'
    );
  return undefined;
}
