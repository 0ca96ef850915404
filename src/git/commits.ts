import { GitError } from './git-error.js';
import { gitFailure } from './git-failure.js';
import { runGit } from './run-git.js';
import type { GitPlace } from './run-git.js';

/** @returns the commit that a name stands for, or undefined when there is none (an unborn HEAD, a missing ref). */
export async function commitOf(place: GitPlace, name: string, signal?: AbortSignal): Promise<string | undefined> {
  const { stdout, code } = await runGit(
    place,
    ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`],
    { doing: `looking up ${name}`, signal, accept: [0, 1] },
  );
  return code === 0 ? stdout.trim() : undefined;
}

/** @returns whether the commit's own object is there. */
export async function hasCommit(place: GitPlace, sha: string, signal?: AbortSignal): Promise<boolean> {
  const doing = `looking for commit ${sha}`;
  const { stdout, stderr } = await runGit(place, ['cat-file', '--batch-check=%(objecttype)'], {
    doing,
    signal,
    input: `${sha}\n`,
  });
  if (stdout.trim() === 'commit') return true;
  // An object that is there and cannot be read is called missing as well; only a complaint tells the difference.
  if (/^(?:error|fatal): /m.test(stderr)) throw gitFailure({ doing }, stderr);
  return false;
}

/** @returns the tree of a commit. @throws GitError */
export async function treeOf(place: GitPlace, commit: string, signal?: AbortSignal): Promise<string> {
  return (
    await runGit(place, ['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], {
      doing: `reading commit ${commit}`,
      signal,
    })
  ).stdout.trim();
}

/** @returns the parents of a commit, first one first. */
export async function parentsOf(place: GitPlace, commit: string, signal?: AbortSignal): Promise<string[]> {
  const { stdout } = await runGit(place, ['rev-list', '--max-count=1', '--parents', '--end-of-options', commit], {
    doing: `reading commit ${commit}`,
    signal,
  });
  return stdout.trim().split(' ').slice(1);
}

/**
 * @returns whether every commit reachable from `commit` is reachable from one of `tips`; tips that are not here prove
 * nothing and are left out.
 */
export async function reachableFrom(
  place: GitPlace,
  commit: string,
  tips: readonly string[],
  signal?: AbortSignal,
): Promise<boolean> {
  const doing = `looking for commit ${commit} on the remote`;
  if (tips.length === 0) return false;
  const { stdout: types } = await runGit(place, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    doing,
    signal,
    input: `${tips.join('\n')}\n`,
  });
  const known = types
    .split('\n')
    .filter((line) => / (?:commit|tag)$/.test(line))
    .map((line) => line.split(' ')[0]);
  if (known.length === 0) return false;
  // One walk for all tips. Nothing printed means nothing left over; an error is an error, never an answer.
  const { stdout } = await runGit(place, ['rev-list', '--max-count=1', '--stdin'], {
    doing,
    signal,
    input: [commit, ...known.map((tip) => `^${tip}`), ''].join('\n'),
  });
  return stdout.trim() === '';
}

/** @throws GitError `no_such_ref` */
export async function requireCommit(place: GitPlace, sha: string, signal?: AbortSignal): Promise<void> {
  if (!(await hasCommit(place, sha, signal)))
    throw new GitError(
      'no_such_ref',
      `commit ${sha} is not in the mirror: fetch it first, or start from the base branch`,
    );
}

/**
 * @returns whether `ancestor` is reachable from `commit`. Anything but git's own yes and no is an error, never an
 * answer.
 */
export async function isAncestor(
  place: GitPlace,
  ancestor: string,
  commit: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const { code } = await runGit(place, ['merge-base', '--is-ancestor', '--end-of-options', ancestor, commit], {
    doing: `comparing ${ancestor} with ${commit}`,
    signal,
    accept: [0, 1],
  });
  return code === 0;
}

/** @returns the newest commit that both have, or undefined when they have no history in common. */
export async function mergeBase(
  place: GitPlace,
  one: string,
  other: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { stdout, code } = await runGit(place, ['merge-base', '--end-of-options', one, other], {
    doing: `comparing ${one} with ${other}`,
    signal,
    accept: [0, 1],
  });
  const found = stdout.trim().split('\n')[0] ?? '';
  return code === 0 && found !== '' ? found : undefined;
}

/**
 * Commits of a branch that was rewritten are no work of whoever began on it: to merge them would bring back what was
 * taken out there, a secret as well as a mistake.
 * @param began - the commit of the branch that the work began with; nothing is lost when it is not known, or not here.
 * @param tip - the newest commit of the work.
 * @param now - where the branch is now.
 * @returns the commit on which the work builds and which the branch has no more, or undefined.
 * @throws GitError
 */
export async function lostBase(
  place: GitPlace,
  { began, tip, now }: { began: string | undefined; tip: string; now: string },
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (began === undefined || !(await hasCommit(place, began, signal))) return undefined;
  const fork = await mergeBase(place, began, tip, signal);
  return fork === undefined || (await isAncestor(place, fork, now, signal)) ? undefined : fork;
}
