import { isAncestor } from './commits.js';
import { GitError } from './git-error.js';
import { checkedPath } from './git-input.js';
import { headOf, lookingThrough, openKeeper, pointHead } from './keeper.js';
import type { Keeper } from './keeper.js';
import { dirtyWithin } from './repositories-within.js';
import { runGit } from './run-git.js';
import { withIndexCopy } from './snapshot.js';

/** A path with something uncommitted. */
export interface StatusEntry {
  /** `unmerged`: a merge left it in conflict. */
  kind: 'unmerged' | 'changed' | 'untracked';
  /** Ends with a slash when it is a whole folder that git knows nothing of. */
  path: string;
}

export interface WorktreeStatus {
  /** The commit at HEAD; empty on a branch without a commit. */
  head: string;
  /** Whether there is uncommitted work: untracked files count, ignored ones do not. */
  dirty: boolean;
  entries: StatusEntry[];
  /** The branch that is checked out; absent when HEAD is detached. */
  branch?: string;
}

/** Fields before the path, by the letter of the line (`git status --porcelain=v2`, without renames). */
const fieldsBefore: Record<string, number> = { '1': 8, u: 10, '?': 1 };

interface Line extends StatusEntry {
  /** Of a file that differs from the index alone, with the mode that it has there: the index's blob. */
  blob?: string;
}

function lineOf(line: string): Line {
  const letter = line.slice(0, 1);
  const fields = line.split(' ');
  const path = fields.slice(fieldsBefore[letter] ?? 1).join(' ');
  // `1 <XY> <sub> <mH> <mI> <mW> <hH> <hI> <path>`
  const [, changed, submodule, , inIndex, onDisk, , blob] = fields;
  const onlyWritten =
    changed === '.M' && submodule === 'N...' && inIndex === onDisk && inIndex?.startsWith('100') === true;
  return {
    kind: letter === 'u' ? 'unmerged' : letter === '?' ? 'untracked' : 'changed',
    path,
    ...(letter === '1' && onlyWritten ? { blob } : {}),
  };
}

/**
 * @returns the paths whose bytes are those that were committed. Git calls them changed where the repository's own
 * attributes would have them committed otherwise (line ends that nobody has normalized): dirt of the repository, which
 * a commit of the agent cannot be asked to mend.
 */
async function asCommitted(
  keeper: Keeper,
  lines: readonly Line[],
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  // The command takes one path a line.
  const written = lines.filter(({ blob, path }) => blob !== undefined && !path.includes('\n'));
  if (written.length === 0) return new Set();
  const { stdout } = await runGit(lookingThrough(keeper), ['hash-object', '--no-filters', '--stdin-paths'], {
    doing: 'looking at the worktree',
    signal,
    input: written.map(({ path }) => `${path}\n`).join(''),
    // A file that cannot be read, or has gone meanwhile: what was said of the others before it still holds.
    accept: [0, 128],
  });
  const ids = stdout.split('\n');
  return new Set(written.filter(({ blob }, n) => blob === ids[n]).map(({ path }) => path));
}

/** Looks at a worktree through its keeper. @throws GitError when it is no worktree, or its HEAD cannot be read. */
export async function worktreeStatus(path: string, signal?: AbortSignal): Promise<WorktreeStatus> {
  const keeper = await openKeeper(checkedPath(path));
  const head = await headOf(keeper, signal);
  if (head.kind === 'unreadable')
    throw new GitError(
      'other',
      `${path} is no longer a git worktree that can be read (${head.why}): the files in it are untouched`,
    );
  const sha = head.kind === 'commit' ? head.sha : undefined;
  await pointHead(keeper, sha);
  const entries = await withIndexCopy(keeper, sha, false, signal, async (env) => {
    const { stdout } = await runGit(
      lookingThrough(keeper),
      ['status', '--porcelain=v2', '-z', '--untracked-files=normal', '--ignore-submodules=dirty', '--no-renames'],
      { doing: 'looking at the worktree', signal, env },
    );
    const lines = stdout
      .split('\0')
      .filter((entry) => entry !== '')
      .map(lineOf);
    const same = await asCommitted(keeper, lines, signal);
    return lines.filter(({ path }) => !same.has(path)).map(({ kind, path }): StatusEntry => ({ kind, path }));
  });
  for (const path of await dirtyWithin(keeper, signal))
    if (!entries.some((entry) => entry.path === path)) entries.push({ kind: 'changed', path });
  return {
    head: sha ?? '',
    dirty: entries.length > 0,
    entries,
    ...(head.branch === undefined ? {} : { branch: head.branch }),
  };
}

/** @returns how many commits a commit of a worktree is ahead of another one. @throws GitError */
export async function commitsAhead(path: string, commit: string, base: string, signal?: AbortSignal): Promise<number> {
  const { stdout } = await runGit(
    lookingThrough(await openKeeper(checkedPath(path))),
    ['rev-list', '--count', '--end-of-options', `${base}..${commit}`],
    { doing: 'counting commits', signal },
  );
  return Number(stdout.trim());
}

/** @returns whether a commit of a worktree has another one in its history. @throws GitError */
export const descendsFrom = async (
  path: string,
  commit: string,
  root: string,
  signal?: AbortSignal,
): Promise<boolean> => isAncestor(lookingThrough(await openKeeper(checkedPath(path))), root, commit, signal);
