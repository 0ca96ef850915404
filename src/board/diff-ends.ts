/** Between which two states of a repository the diff of an attempt is shown. @module */
import { join } from 'node:path';
import { ClientError } from '../client/errors.js';
import { readAttemptRef, refNames } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import { shortSha } from '../domain/words.js';
import { GitError, ensureCommit, exists, updateMirror } from '../git/index.js';
import { hasCommit, parentsOf } from '../git/commits.js';
import { fetchCommits } from '../git/fetch-commits.js';
import { openKeeper } from '../git/keeper.js';
import { branchShaTrailer } from '../git/merge/merge-record.js';
import { runGit } from '../git/run-git.js';
import { takeSnapshot } from '../git/snapshot.js';
import type { DiffAnswer } from './api-types.js';
import type { AttemptPlace } from './attempts-here.js';

/** There is nothing to compare, or not here. */
export class NoDiffError extends ClientError {}

export interface EndsWanted {
  /** State directory of this machine. */
  home: string;
  mirror: string;
  view: BeadView;
  place: AttemptPlace;
  signal?: AbortSignal | undefined;
}

/** What is compared with what. */
export interface DiffEnds extends Pick<DiffAnswer, 'base' | 'head' | 'source' | 'note'> {
  /** The repository that has both, when that is not the mirror. */
  at?: string;
}

/** @throws NoDiffError, GitError */
export async function diffEnds(wanted: EndsWanted): Promise<DiffEnds> {
  const { mirror, view, place, signal } = wanted;
  const { attempt, dir, current } = place;
  const record = view.attempts.find(({ id }) => id === attempt);
  const saved = current ? view.current?.checkpoint : record?.checkpoint;
  const ref = refNames(prefixOf(view, saved?.ref)).branchRef(view.bead, attempt);
  const pushed =
    record?.sha ?? (current ? undefined : view.branch === ref.slice('refs/heads/'.length) ? view.sha : undefined);
  if (pushed !== undefined) {
    // Once it has landed, nothing on the remote leads to its branch any more, but the target has it.
    if (pushed === view.sha && view.landing?.mergedSha !== undefined && !(await hasCommit({ mirror }, pushed, signal)))
      return landedEnds(wanted, pushed, view.landing.mergedSha);
    const head = (await commitOf(wanted, { sha: pushed, ref })).sha;
    return { source: 'branch', head, base: await baseOf(wanted, head) };
  }
  if (dir !== undefined && (await exists(dir.worktree))) {
    const keeper = await openKeeper(dir.worktree);
    // What is not saved yet is in the keeper alone, which has everything of the mirror's as well.
    const { tree } = await takeSnapshot(keeper, keeper.start, signal);
    return { source: 'live', at: keeper.dir, head: tree, base: await baseOf(wanted, keeper.start ?? tree) };
  }
  if (saved !== undefined) {
    const head = (await commitOf(wanted, saved)).sha;
    return { source: 'saved', head, base: await baseOf(wanted, head) };
  }
  throw new NoDiffError(
    `attempt ${attempt} has neither pushed nor saved anything yet`,
    current ? 'work is saved every few minutes, and pushed when the agent is done' : 'look at another attempt',
  );
}

/** A rig may have a prefix of its own, which the names of its bead's branches and saves tell. */
const prefixOf = ({ branch }: BeadView, save: string | undefined): string | undefined =>
  [save, branch && `refs/heads/${branch}`].map((ref) => readAttemptRef(ref ?? '')?.prefix).find(Boolean);

async function commitOf(
  { mirror, view, place, signal }: EndsWanted,
  commit: { sha: string; ref: string },
): Promise<{ sha: string }> {
  try {
    return await ensureCommit(mirror, view.repo, commit, { signal });
  } catch (error) {
    if (!(error instanceof GitError) || error.kind !== 'no_such_ref') throw error;
    throw new NoDiffError(
      `the work of attempt ${place.attempt} is not on this machine, and no longer on the remote: what a bead has ` +
        'left there goes once it has landed',
      view.landing?.mergedSha === undefined
        ? `open the board of the host that ran it${place.host === undefined ? '' : ` (${place.host})`}`
        : 'look at the newest attempt: what it did is on the target',
      { cause: error },
    );
  }
}

/** What a merge brought onto the target. */
async function landedEnds(
  { home, mirror, view, signal }: EndsWanted,
  pushed: string,
  merged: string,
): Promise<DiffEnds> {
  const place = { mirror };
  if (!(await hasCommit(place, merged, signal)))
    await updateMirror({ root: join(home, 'mirrors'), repo: view.repo, signal });
  if (!(await hasCommit(place, merged, signal)))
    throw new NoDiffError(
      `it was merged as ${shortSha(merged)}, and no branch of the remote has that any more: the target was ` +
        'rewritten',
      'the machine of the host that merged it may still have it: open the board there',
    );
  const [before, branch] = await parentsOf(place, merged, signal);
  if (before === undefined) throw new NoDiffError(`${shortSha(merged)} is the first commit of its repository`, '');
  const landed = { source: 'landed', head: merged } as const;
  // A merge and a squash brought everything in one commit.
  if (branch !== undefined || (await squashed(mirror, merged, pushed, signal))) return { ...landed, base: before };
  // The commits of the branch stand on the target one by one. Most servers still give the branch's last one by its
  // name.
  const base = view.baseSha;
  if (base !== undefined && (await hasCommit(place, base, signal))) {
    if (merged === pushed) return { ...landed, base };
    try {
      await fetchCommits(mirror, view.repo, [pushed], { doing: `asking for ${pushed}`, signal });
      return { source: 'branch', head: pushed, base };
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
    }
  }
  return {
    ...landed,
    base: before,
    note: 'its commits landed one by one, and its branch is gone: this is the last of them',
  };
}

async function squashed(
  mirror: string,
  merged: string,
  pushed: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { stdout } = await runGit(
    { mirror },
    ['log', '--max-count=1', `--format=%(trailers:key=${branchShaTrailer},valueonly)`, '--end-of-options', merged],
    { doing: `reading commit ${merged}`, signal },
  );
  return stdout.trim() === pushed;
}

async function baseOf({ mirror, view, place: { dir, current }, signal }: EndsWanted, head: string): Promise<string> {
  // Only its host knows what an attempt that runs has started from.
  const known = (current ? (await dir?.readSetup())?.baseSha : undefined) ?? view.baseSha;
  if (known !== undefined && (await hasCommit({ mirror }, known, signal))) return known;
  const branch = view.base === undefined ? undefined : `refs/remotes/origin/${view.base}`;
  const upstream = branch ?? (await defaultBranch(mirror, signal));
  const found = await runGit({ mirror }, ['merge-base', '--end-of-options', upstream, head], {
    doing: 'looking for the base',
    signal,
    accept: [0, 1, 128],
  });
  if (found.code === 0) return found.stdout.trim();
  throw new NoDiffError(
    'the commit that this attempt started from is not known',
    'the board knows it when the agent has been started; look again then',
  );
}

/** A mirror keeps no HEAD of its remote: of the usual names the one that is there. */
async function defaultBranch(mirror: string, signal: AbortSignal | undefined): Promise<string> {
  const { stdout } = await runGit(
    { mirror },
    [
      'for-each-ref',
      '--format=%(refname)',
      'refs/remotes/origin/main',
      'refs/remotes/origin/master',
      'refs/remotes/origin/trunk',
    ],
    { doing: 'looking for the base branch', signal },
  );
  return stdout.split('\n')[0] || 'refs/remotes/origin/main';
}
