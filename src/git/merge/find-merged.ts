import { hasCommit, isAncestor, parentsOf } from '../commits.js';
import { runGit } from '../run-git.js';
import { commitWithTrailers } from './merge-record.js';
import type { MergeItem } from './types.js';

/**
 * Looks whether an item is on its target already: by the marker, by the trailers of a commit there, or because somebody
 * merged the branch by hand.
 * @param at the target's commit, and the marker's, as the remote has them.
 * @returns the commit by which it came onto the target, and whether the refinery's own record says so.
 */
export async function findMerged(
  mirror: string,
  item: Pick<MergeItem, 'item' | 'sha'>,
  at: { target: string; marker?: string | undefined },
  signal?: AbortSignal,
): Promise<{ sha: string; recorded: boolean } | undefined> {
  const place = { mirror };
  // A marker whose commit the target has lost (it was rewritten) proves nothing any more. What is not here cannot be
  // reached from what is.
  if (
    at.marker !== undefined &&
    (await hasCommit(place, at.marker, signal)) &&
    (await isAncestor(place, at.marker, at.target, signal))
  )
    return { sha: at.marker, recorded: true };
  const recorded = await commitWithTrailers(place, at.target, item, signal);
  if (recorded !== undefined) return { sha: recorded, recorded: true };
  if (!(await hasCommit(place, item.sha, signal)) || !(await isAncestor(place, item.sha, at.target, signal)))
    return undefined;
  return { sha: await firstWith(mirror, item.sha, at.target, signal), recorded: false };
}

/** @returns the oldest commit of the target's own line (first parents) that contains `sha`, which the target does. */
async function firstWith(
  mirror: string,
  sha: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const place = { mirror };
  const list = async (...args: string[]): Promise<string[]> =>
    (await runGit(place, ['rev-list', ...args], { doing: `looking for the merge of ${sha}`, signal })).stdout
      .split('\n')
      .filter((line) => line !== '');
  const containing = new Set(await list('--ancestry-path', `${sha}..${target}`));
  const oldest = (await list('--first-parent', target, `^${sha}`)).filter((commit) => containing.has(commit)).at(-1);
  // None above it, or it is the parent on that line: the commit itself is part of the line.
  return oldest === undefined || (await parentsOf(place, oldest, signal))[0] === sha ? sha : oldest;
}
