import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { firstOf, shortSha } from '../../domain/words.js';
import { shellQuoted } from '../../edge/shell-quoted.js';
import { lastMoves, newestStash, worktreeStatus } from '../../git/index.js';
import type { HeavyFiles, StatusEntry } from '../../git/index.js';

/** Named in a refusal; more would not help anybody. */
const pathsNamed = 8;
/** An attempt that moved HEAD more often has its last moves looked at. */
const movesSeen = 500;

/**
 * What tools leave beside the work, by the name of the file or of a folder above it. It is neither committed nor a
 * reason to refuse: agents that were sent back for it have committed it.
 */
const litter =
  /(?:^|\/)(?:\.aider[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini|[^/]+\.sw[op]|[^/]+\.py[co]|__pycache__|\.(?:pytest|mypy|ruff|hypothesis)(?:_cache)?|\.ipynb_checkpoints|node_modules|\.pnpm-store|\.claude\/settings\.local\.json)(?:\/|$)/;

/** A pattern of a rig (see `litterProblem`) as one that a path is held against. */
const litterPattern = (pattern: string): RegExp => {
  const text = pattern
    .replace(/^\/|\/$/g, '')
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  return new RegExp(`${pattern.slice(0, -1).includes('/') ? '^' : '(?:^|/)'}${text}(?:/|$)`);
};

/**
 * @param more what else is litter in this rig.
 * @returns what has to be committed or removed before work is done.
 */
export function meantEntries(entries: readonly StatusEntry[], more: readonly string[] = []): StatusEntry[] {
  const patterns = [litter, ...more.map(litterPattern)];
  return entries.filter(({ kind, path }) => kind !== 'untracked' || !patterns.some((one) => one.test(path)));
}

/**
 * The verdict and the list that explains it are answers to one question. A folder of which git knows nothing may hold
 * litter alone: only then each of its files is asked for.
 * @throws GitError
 */
export async function meantStatus(
  worktree: string,
  more: readonly string[] = [],
): Promise<{ head: string; meant: StatusEntry[] }> {
  const { head, entries } = await worktreeStatus(worktree);
  const meant = meantEntries(entries, more);
  const folders = meant.filter(({ kind, path }) => kind === 'untracked' && path.endsWith('/'));
  if (folders.length === 0) return { head, meant };
  const all = await worktreeStatus(worktree, undefined, { untracked: 'all' });
  // A folder with work in it is told by its name, not by that of each file.
  const told = meantEntries(all.entries, more).map(
    (entry) => folders.find(({ kind, path }) => kind === entry.kind && entry.path.startsWith(path)) ?? entry,
  );
  return { head: all.head, meant: [...new Map(told.map((entry) => [entry.path, entry])).values()] };
}

const named = (paths: readonly string[]): string => firstOf(paths, pathsNamed);

const isFolder = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** @returns why something that was begun with git and not ended is no end of the work. */
export function unfinishedProblem(
  worktree: string,
  [step]: readonly { what: string; ways: readonly string[] }[],
): string | undefined {
  if (step === undefined) return undefined;
  return `${step.what} is not finished in ${worktree}: ${step.ways.map((way) => `\`${way}\``).join(', or ')}`;
}

/** @returns why uncommitted work is no end, each kind with what mends it; undefined when there is none. */
export function uncommittedProblem(worktree: string, entries: readonly StatusEntry[]): string | undefined {
  const of = (kind: StatusEntry['kind']): string[] =>
    entries.filter((entry) => entry.kind === kind).map(({ path }) => path);
  const unmerged = of('unmerged');
  if (unmerged.length > 0)
    return (
      `a merge is not finished, with conflicts in ${named(unmerged)}: resolve them and \`git commit\`, or give ` +
      'the merge up (`git merge --abort`, `git rebase --abort`)'
    );
  const within = of('untracked').filter((path) => path.endsWith('/') && existsSync(join(worktree, path, '.git')));
  const added = within.find((path) => !isFolder(join(worktree, path, '.git')));
  if (added !== undefined)
    return (
      `${added} is a worktree of its own, of which git would keep no file here: bring the commits that were made ` +
      `there here (\`git merge BRANCH\`), then \`git worktree remove ${added}\``
    );
  if (within.length > 0)
    return (
      `there is another repository in ${named(within)}, of which git would keep no file: move it out of here, ` +
      `or remove its .git (\`rm -rf ${within[0] ?? ''}.git\`) and commit its files`
    );
  const [folder] = of('changed').filter(
    (path) => isFolder(join(worktree, path)) && !existsSync(join(worktree, path, '.git')),
  );
  if (folder !== undefined)
    return (
      `${folder} was a submodule and is a folder now, of which git would keep no file: ` +
      `\`git rm --cached -- ${folder}\`, \`git add -- ${folder}\`, and commit`
    );
  const paths = entries.map(({ path }) => path);
  return paths.length === 0
    ? undefined
    : `there is uncommitted work: ${named(paths)}; commit what belongs to the task, remove or ignore the rest`;
}

/**
 * @returns the newest commit that HEAD of this worktree once stood at and that is now on another branch, or on none,
 * with the command that brings it back; undefined when nothing was left behind.
 */
export async function leftBehind(
  worktree: string,
  { head, baseSha }: { head: string; baseSha: string },
): Promise<{ sha: string; advice: string } | undefined> {
  const { commits, branch } = await lastMoves(worktree, { head, baseSha, most: movesSeen });
  const [sha] = commits;
  if (sha === undefined) return undefined;
  const where = branch === undefined ? 'no branch any more' : `branch ${branch}`;
  const bring = branch === undefined ? `git merge ${shortSha(sha)}` : `git merge ${branch}`;
  const many = commits.length === 1 ? 'a commit of yours is' : `${commits.length} commits of yours are`;
  return {
    sha,
    advice:
      `HEAD has no commit ahead of its base, but ${many} on ${where} (${shortSha(sha)}): bring them here ` +
      `with \`${bring}\``,
  };
}

/**
 * @param found.commits those without a sign-off, oldest first.
 * @param found.onto what they can be rebased on.
 * @returns why they are no end where the rig wants them signed off, with the command that mends it.
 */
export function signoffProblem({ commits, onto }: { commits: readonly string[]; onto: string }): string | undefined {
  const [first] = commits;
  if (first === undefined) return undefined;
  const many = commits.length === 1 ? 'a commit of yours has' : `${commits.length} commits of yours have`;
  return (
    `${many} no Signed-off-by (${shortSha(first)}${commits.length === 1 ? '' : ' and after'}), and this ` +
    `repository takes none without: \`git rebase --signoff ${shortSha(onto)}\``
  );
}

/** @returns why folders that nobody else could fill are no end of the work, with what mends it. */
export function withinProblem(paths: readonly string[]): string | undefined {
  const [first] = paths;
  if (first === undefined) return undefined;
  const quoted = shellQuoted(first);
  return (
    `your commits have another repository in ${named(paths)}, but none of its files, and no address in .gitmodules ` +
    `where others could get them: \`git rm --cached -- ${quoted}\`, \`rm -rf ${quoted}/.git\`, \`git add -- ` +
    `${quoted}\`, and commit (or \`git submodule add URL ${quoted}\`)`
  );
}

/** @returns why submodules at commits that are not here are no end of the work, with what mends it. */
export function absentProblem(paths: readonly string[], baseSha: string): string | undefined {
  const [first] = paths;
  if (first === undefined) return undefined;
  const quoted = shellQuoted(first);
  return (
    `your commits have ${named(paths)} at a commit that is not here, perhaps nowhere (an attempt that was lost may ` +
    `not have pushed it): get it by \`git submodule update --init -- ${quoted}\`, or put it back by \`git checkout ` +
    `${shortSha(baseSha)} -- ${quoted}\` and commit`
  );
}

/** @returns the newest entry of the stash of this worktree, with what brings it back; undefined when there is none. */
export async function stashed(worktree: string): Promise<{ sha: string; advice: string } | undefined> {
  const sha = await newestStash(worktree);
  if (sha === undefined) return undefined;
  return {
    sha,
    advice:
      `there is work in the stash (${shortSha(sha)}), which is in no commit: bring it back with \`git stash pop\` ` +
      'and commit what belongs to the task',
  };
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;

/** @returns what the remote may refuse of finished commits, with the commands that mend it. */
export function heavyProblem({ large }: HeavyFiles, baseSha: string): string | undefined {
  const [first] = large;
  if (first !== undefined)
    return (
      'there are files in your commits that forges refuse (GitHub takes none above 100 MB), also when a later ' +
      `commit removes them: ${named(large.map(({ path, bytes }) => `${path} with ${megabytes(bytes)}`))}. Make ` +
      `the commits anew without them: \`git reset --soft ${shortSha(baseSha)}\`, \`git rm --cached -- ` +
      `${shellQuoted(first.path)}\`, name them in .gitignore, \`git commit\``
    );
  return undefined;
}
