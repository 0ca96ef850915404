import { attemptNumber, readOwnRef, refNames, usualRefPrefix } from '../../contract/index.js';
import type { EndedBead } from '../../domain/bead/ended.js';
import { commitOf, hasCommit, isAncestor, parentsOf, reachableFrom } from '../commits.js';
import { commitWithTrailers } from '../merge/merge-record.js';
import type { GitPlace } from '../run-git.js';
import { isWip } from '../wip-commit.js';

/** A ref of ours, what is to become of it, and why in words. */
export interface JudgedRef {
  ref: string;
  sha: string;
  spent: boolean;
  why: string;
}

export interface JudgeOptions {
  place: GitPlace;
  /** Full names and commits, as they stand where they are to be removed. */
  refs: ReadonlyMap<string, string>;
  /** Where the branch that the bead landed on stands on the remote; absent when it is gone. */
  target: string | undefined;
  /** Whether the remote has the bead's own branch at the commit that it delivered. */
  delivered: boolean;
  /** What the names of these refs may begin with; as usual when absent. */
  prefixes?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Says of every ref of a closed bead whether it is spent. Spent is what is part of what landed, and what a later
 * attempt of the bead has taken up. Of a squashed or rebased branch the commits are on no target: there the bead's own
 * record counts that exactly this commit was merged, once the commit of the merge is seen on the target. In all doubt a
 * ref stays.
 * @throws GitError when git could not answer.
 */
export async function judgeRefs(
  bead: EndedBead,
  { place, refs, target, delivered, prefixes = [usualRefPrefix], signal }: JudgeOptions,
): Promise<JudgedRef[]> {
  const onTarget = async (sha: string | undefined): Promise<boolean> =>
    sha !== undefined &&
    target !== undefined &&
    (await hasCommit(place, sha, signal)) &&
    (await hasCommit(place, target, signal)) &&
    (await isAncestor(place, sha, target, signal));
  const branches = prefixes.map((prefix) => refNames(prefix).branchRef(bead.bead, bead.attempt));
  const landed = (await onTarget(bead.mergedSha)) || (await onTarget(bead.sha));
  const stands = landed || delivered;
  const tips = [...(landed && target !== undefined ? [target] : []), ...(stands ? [bead.sha] : [])];
  const judged: JudgedRef[] = [];
  for (const [ref, sha] of refs) {
    const why = await stays(ref, sha);
    judged.push({ ref, sha, spent: why === undefined, why: why ?? (await saysSpent(ref, sha)) });
  }
  return judged;

  async function stays(ref: string, sha: string): Promise<string | undefined> {
    const own = readOwnRef(ref, prefixes);
    if (own === undefined) return 'it is no ref of ours';
    if ((own.kind === 'merged' ? own.item : own.bead) !== bead.bead) return 'it belongs to another bead';
    if (!stands) return 'what its bead has delivered is neither on its target nor at its branch';
    if (!(await hasCommit(place, sha, signal))) return 'its commit could not be fetched';
    if (own.kind === 'merged') return (await onTarget(sha)) ? undefined : 'its target does not have that merge';
    if (!landed && branches.includes(ref)) return 'it is what the bead has delivered, and is not merged';
    const wip = own.kind === 'wip' && (await isWip(place, sha, signal));
    const core = wip || own.kind === 'done' ? (await parentsOf(place, sha, signal))[0] : sha;
    const earlier =
      attemptNumber(own.attempt) < attemptNumber(bead.attempt) &&
      bead.superseded.some((known) => known.attempt === own.attempt && (known.sha === sha || known.sha === core));
    if (core === undefined || !(await reachableFrom(place, core, tips, signal)))
      return earlier ? undefined : 'it has commits that are not part of what landed';
    // What lay about uncommitted in the attempt that finished was not meant to be part of its work.
    if (!wip || own.attempt === bead.attempt || bead.superseded.some((known) => known.sha === sha)) return undefined;
    return 'it has uncommitted work that no later attempt is known to have taken up';
  }

  async function saysSpent(ref: string, sha: string): Promise<string> {
    if (readOwnRef(ref, prefixes)?.kind === 'merged') return 'its bead has ended, and the merge is on the target';
    return (await reachableFrom(place, sha, tips, signal))
      ? 'it is part of what landed'
      : 'what came after it has landed';
  }
}

/**
 * @returns the end of a bead that nobody knows any more, by what the remote itself has recorded: the marker of its
 * merge, the trailers of a commit on the target, or its branch being part of that. Undefined when nothing proves that
 * it landed.
 * @throws GitError
 */
export async function recordedEnd(
  bead: string,
  { place, refs, target, prefixes, signal }: Omit<JudgeOptions, 'delivered'>,
): Promise<EndedBead | undefined> {
  if (target === undefined || (await commitOf(place, target, signal)) === undefined) return undefined;
  const branches = [...refs]
    .map(([ref, sha]) => ({ own: readOwnRef(ref, prefixes), sha }))
    .flatMap(({ own, sha }) =>
      (own?.kind === 'branch' || own?.kind === 'finished') && own.bead === bead ? [{ attempt: own.attempt, sha }] : [],
    )
    .sort((a, b) => attemptNumber(b.attempt) - attemptNumber(a.attempt));
  const merges = [...refs].flatMap(([ref, merge]) => {
    const own = readOwnRef(ref, prefixes);
    return own?.kind === 'merged' && own.item === bead ? [{ sha: own.sha, merge }] : [];
  });
  const end = (attempt: string, sha: string, mergedSha?: string): EndedBead => ({
    bead,
    attempt,
    sha,
    mergedSha,
    superseded: [],
  });
  for (const { attempt, sha } of branches) {
    const marker = merges.find((one) => one.sha === sha)?.merge;
    if (
      marker !== undefined &&
      (await hasCommit(place, marker, signal)) &&
      (await isAncestor(place, marker, target, signal))
    )
      return end(attempt, sha, marker);
    const recorded = await commitWithTrailers(place, target, { item: bead, sha }, signal);
    if (recorded !== undefined) return end(attempt, sha, recorded);
    if ((await hasCommit(place, sha, signal)) && (await isAncestor(place, sha, target, signal)))
      return end(attempt, sha, sha);
  }
  // Somebody has removed the branch already: the record alone is left, and the saves beside it.
  const [left] = merges;
  return left === undefined ||
    !(await hasCommit(place, left.merge, signal)) ||
    !(await isAncestor(place, left.merge, target, signal))
    ? undefined
    : end('0-none', left.sha, left.merge);
}
