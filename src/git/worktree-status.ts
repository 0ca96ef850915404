import { lstat, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unfinishedSteps } from './agent-git.js';
import { isAncestor, treeOf } from './commits.js';
import { GitError } from './git-error.js';
import { checkedPath } from './git-input.js';
import { headOf, throughKeeper, openKeeper, pointHead } from './keeper.js';
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
  /** The index's blob of a file that differs from the index alone, and has the mode that it has there. */
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
    blob: letter === '1' && onlyWritten ? blob : undefined,
  };
}

/**
 * @returns the paths whose bytes are those that were committed, or those that git makes of them in a fresh tree. Git
 * calls them changed where the repository's own attributes would have them committed otherwise (line ends that nobody
 * has normalized): dirt of the repository, which a commit of the agent cannot be asked to mend.
 */
async function asCommitted(
  keeper: Keeper,
  lines: readonly Line[],
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  // The command takes one path a line.
  const written = lines.filter(({ blob, path }) => blob !== undefined && !path.includes('\n'));
  if (written.length === 0) return new Set();
  const { stdout } = await runGit(throughKeeper(keeper), ['hash-object', '--no-filters', '--stdin-paths'], {
    doing: 'looking at the worktree',
    signal,
    input: written.map(({ path }) => `${path}\n`).join(''),
    // A file that cannot be read, or has gone meanwhile: what was said of the others before it still holds.
    accept: [0, 128],
  });
  const ids = stdout.split('\n');
  const same = new Set(written.filter(({ blob }, n) => blob === ids[n]).map(({ path }) => path));
  const rest = written.filter(({ path }) => !same.has(path)).map(({ path }) => path);
  for (const path of await asCheckedOut(keeper, rest, env, signal)) same.add(path);
  return same;
}

/** More files than that are not dirt of the repository alone; a commit of the agent's changes fewer. */
const checkedOutAtMost = 200;

/**
 * @returns the paths whose bytes are those that git itself writes for the index. Of a file with mixed line ends it
 * writes others than were committed, and calls the file changed from the beginning.
 */
async function asCheckedOut(
  keeper: Keeper,
  paths: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  if (paths.length === 0 || paths.length > checkedOutAtMost) return [];
  const folder = await mkdtemp(join(keeper.dir, 'written-'));
  try {
    await runGit(
      throughKeeper(keeper),
      ['checkout-index', '--force', '--quiet', `--prefix=${folder}/`, '-z', '--stdin'],
      {
        doing: 'looking at the worktree',
        signal,
        env,
        input: paths.map((path) => `${path}\0`).join(''),
        // One that cannot be written is not found to be equal.
        accept: [0, 1, 128],
      },
    );
    const equal = await Promise.all(paths.map((path) => sameBytes(join(keeper.worktree, path), join(folder, path))));
    return paths.filter((_, n) => equal[n] === true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes that a file written by hand may have: line ends are no matter in larger ones. */
const comparedAtMost = 16 * 1024 * 1024;

async function sameBytes(one: string, other: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([lstat(one), lstat(other)]);
    if (!a.isFile() || !b.isFile() || a.size !== b.size || a.size > comparedAtMost) return false;
    return (await readFile(one)).equals(await readFile(other));
  } catch (error) {
    // Gone meanwhile, or not readable: then nothing is known of it.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/**
 * Looks at a worktree through its keeper.
 * @param options.untracked `all` names each file of a folder that git knows nothing of: dearer, where there are many.
 * @throws GitError when it is no worktree, or its HEAD cannot be read.
 */
export async function worktreeStatus(
  path: string,
  signal?: AbortSignal,
  { untracked = 'normal' }: { untracked?: 'normal' | 'all' } = {},
): Promise<WorktreeStatus> {
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
      throughKeeper(keeper),
      ['status', '--porcelain=v2', '-z', `--untracked-files=${untracked}`, '--ignore-submodules=dirty', '--no-renames'],
      { doing: 'looking at the worktree', signal, env },
    );
    const lines = stdout
      .split('\0')
      .filter((entry) => entry !== '')
      .map(lineOf);
    const same = await asCommitted(keeper, lines, env, signal);
    return lines.filter(({ path }) => !same.has(path)).map(({ kind, path }): StatusEntry => ({ kind, path }));
  });
  for (const path of await dirtyWithin(keeper, signal))
    if (!entries.some((entry) => entry.path === path)) entries.push({ kind: 'changed', path });
  return {
    head: sha ?? '',
    dirty: entries.length > 0,
    entries,
    branch: head.branch,
  };
}

/**
 * @returns what the agent has begun with git and not ended (a rebase, say): its tree may be clean then, and its HEAD a
 * commit in the middle of the work.
 */
export async function unfinishedIn(path: string): Promise<{ what: string; ways: readonly string[] }[]> {
  const { git } = await openKeeper(checkedPath(path));
  return typeof git === 'string' ? [] : unfinishedSteps(git);
}

/** @returns whether two commits of a worktree have the same files. @throws GitError */
export async function sameFiles(path: string, one: string, other: string): Promise<boolean> {
  const place = throughKeeper(await openKeeper(checkedPath(path)));
  return (await treeOf(place, one)) === (await treeOf(place, other));
}

/** @returns how many commits a commit of a worktree is ahead of another one. @throws GitError */
export async function commitsAhead(path: string, commit: string, base: string, signal?: AbortSignal): Promise<number> {
  const { stdout } = await runGit(
    throughKeeper(await openKeeper(checkedPath(path))),
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
): Promise<boolean> => isAncestor(throughKeeper(await openKeeper(checkedPath(path))), root, commit, signal);
