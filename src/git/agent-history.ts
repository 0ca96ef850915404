import { readAgentMoves, readAgentRefs } from './agent-git.js';
import { isAncestor } from './commits.js';
import { openKeeper, throughKeeper } from './keeper.js';
import { runGit } from './run-git.js';

/**
 * @param most so many moves of HEAD are looked at, the last ones.
 * @returns the commits that HEAD of a worktree (or of one that the agent has added to it) once stood at, or that are on
 * a branch of its own, and that neither `head` nor `baseSha` nor the remote has, newest first, and the branch that the
 * newest of them is on.
 * @throws GitError
 */
export async function lastMoves(
  worktree: string,
  { head, baseSha, most }: { head: string; baseSha: string; most: number },
): Promise<{ commits: string[]; branch?: string }> {
  const keeper = await openKeeper(worktree);
  if (typeof keeper.git === 'string') return { commits: [] };
  const place = throughKeeper(keeper);
  const doing = 'looking for commits that were left behind';
  const refs = [...(await readAgentRefs(keeper.git))];
  // A branch may have been made where HEAD never stood: in a worktree that is gone again.
  // The branches of a mirror are those of other attempts.
  const { linkedTo } = keeper.git;
  const tips = refs.flatMap(([ref, sha]) => (linkedTo === undefined && ref.startsWith('refs/heads/') ? [sha] : []));
  const moves = [...new Set([...(await readAgentMoves(keeper.git)).slice(-most), ...tips])];
  if (moves.length === 0) return { commits: [] };
  const { stdout: types } = await runGit(place, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    doing,
    input: `${moves.join('\n')}\n`,
  });
  const stood = types
    .split('\n')
    .filter((line) => line.endsWith(' commit'))
    .map((line) => line.split(' ')[0]);
  if (stood.length === 0) return { commits: [] };
  // What came from the remote is nobody's work here, whatever branch the agent has looked at.
  const theirs = refs.flatMap(([ref, sha]) => (ref.startsWith('refs/remotes/') ? [`^${sha}`] : []));
  const { stdout } = await runGit(place, ['rev-list', '--no-merges', '--ignore-missing', '--stdin'], {
    doing,
    input: [...stood, `^${head}`, `^${baseSha}`, ...theirs, ''].join('\n'),
  });
  const commits = stdout.split('\n').filter((line) => line !== '');
  const [newest] = commits;
  if (newest === undefined) return { commits };
  for (const [ref, sha] of refs)
    if (ref.startsWith('refs/heads/') && (await isAncestor(place, newest, sha)))
      return { commits, branch: ref.slice('refs/heads/'.length) };
  return { commits };
}

/** @returns the newest entry of a worktree's stash; of one that shares its stash with others, none. */
export async function newestStash(worktree: string): Promise<string | undefined> {
  const { git } = await openKeeper(worktree);
  if (typeof git === 'string' || git.linkedTo !== undefined) return undefined;
  return (await readAgentRefs(git)).get('refs/stash');
}

/** @returns the files of a worktree in which finished commits still have conflict markers. @throws GitError */
export async function conflictMarkers(worktree: string, from: string, to: string): Promise<string[]> {
  const { stdout } = await runGit(
    throughKeeper(await openKeeper(worktree)),
    ['diff', '--check', '--no-ext-diff', '--no-textconv', '--end-of-options', from, to],
    { doing: 'looking for conflict markers', accept: [0, 1, 2] },
  );
  const files = stdout.split('\n').map((line) => /^(.*):\d+: leftover conflict marker$/.exec(line)?.[1]);
  return [...new Set(files.filter((file) => file !== undefined))];
}
