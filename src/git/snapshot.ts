import { copyFile, mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isMissing } from '../edge/errors.js';
import { kindOf } from '../edge/kind-of.js';
import { findNestedGit, readAgentHead } from './agent-git.js';
import { namesIn } from './files.js';
import { GitError } from './git-error.js';
import { throughKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { reread } from './reread.js';
import { runGit } from './run-git.js';
import { leftOutOf } from './save-rules.js';
import type { LeftOut, SaveRules } from './save-rules.js';

/** The whole working tree as git sees it, ignored files left out. */
export interface Snapshot {
  tree: string;
  /** What git could not take in, in its own words (unreadable files, repositories within); empty when all is in. */
  unsaved: string[];
  /**
   * Paths of submodules and other repositories within, of which a tree holds only the commit. Looked for only when
   * asked: it lists every file.
   */
  nested: string[];
}

/** A scratch index is used for minutes at most; one of 1 h ago was left by a killed process. */
const scratchMaxAge = 3_600_000;
const scratchPrefix = 'heartbead-index-';

/**
 * Writes the working tree as a tree object by way of an index of its own, through the keeper. The agent's index, HEAD
 * and branch are not touched and none of its locks is taken or minded, so it works in mid-merge, in mid-rebase and
 * while the agent runs git itself.
 * @param basis - a commit from which the index is made where the agent's cannot be read; nothing when absent.
 */
export async function takeSnapshot(
  keeper: Keeper,
  basis: string | undefined,
  signal?: AbortSignal,
  {
    withNested = false,
    distrustIndex = false,
    rules,
  }: { withNested?: boolean; distrustIndex?: boolean; rules?: SaveRules } = {},
): Promise<Snapshot> {
  const doing = 'saving work in progress';
  return withIndexCopy(keeper, basis, distrustIndex, signal, async (env, remake) => {
    let added = await addAll(keeper, env, rules, signal);
    if (added === 'bad index') {
      await remake();
      added = await addAll(keeper, env, rules, signal);
    }
    if (added === 'bad index')
      throw new GitError('other', 'the worktree cannot be saved: git cannot read its index, nor make a new one');
    const tree = (await runGit(throughKeeper(keeper), ['write-tree'], { doing, signal, env })).stdout.trim();
    return { tree, unsaved: added, nested: withNested ? await repositoriesWithin(keeper, env, signal) : [] };
  });
}

/**
 * Gives the work a copy of the agent's index: it knows what was added in spite of .gitignore, what a sparse checkout
 * leaves out, and which files are unchanged. Where there is none that can be copied, one is made of the basis.
 */
export async function withIndexCopy<T>(
  keeper: Keeper,
  basis: string | undefined,
  distrusted: boolean,
  signal: AbortSignal | undefined,
  work: (env: Record<string, string>, remake: () => Promise<void>) => Promise<T>,
): Promise<T> {
  await removeOldScratch(keeper.dir);
  const scratch = await mkdtemp(join(keeper.dir, scratchPrefix));
  try {
    const mine = join(scratch, 'index');
    const remake = async (): Promise<void> => {
      await rm(mine, { force: true });
      await fromBasis(keeper, basis, mine, signal);
    };
    if (distrusted || typeof keeper.git === 'string' || !(await copied(keeper, keeper.git.gitDir, mine)))
      await remake();
    return await work({ GIT_INDEX_FILE: mine }, remake);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Paths of an index that are repositories within: submodules, and what was added by accident. */
export async function repositoriesWithin(
  keeper: Keeper,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  return (await indexEntries(keeper, env, signal)).filter(isWithin).map(({ path }) => path);
}

interface IndexEntry {
  /** `h`: it is not to be looked for changes; `S`: it need not be on the disk; `s`: both. */
  tag: string;
  mode: string;
  sha: string;
  path: string;
}

const isWithin = ({ mode }: IndexEntry): boolean => mode === '160000';

async function indexEntries(
  keeper: Keeper,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<IndexEntry[]> {
  const { stdout, code } = await runGit(throughKeeper(keeper), ['ls-files', '--stage', '-v', '-z'], {
    doing: 'looking for repositories within',
    signal,
    env,
    // An index that cannot be read is the next command's affair.
    accept: [0, 128],
  });
  if (code !== 0) return [];
  return stdout
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => ({
      tag: entry.slice(0, 1),
      mode: entry.slice(2, 8),
      sha: entry.split(' ', 3)[2] ?? '',
      path: entry.slice(entry.indexOf('\t') + 1),
    }));
}

/**
 * An agent may tell its git not to look at a file (`--assume-unchanged`, `--skip-worktree`), to keep a change of it out
 * of its commits. A save is to have it all the same: it would go with the folder. What a sparse checkout leaves out is
 * not on the disk, and stays as it is.
 */
async function lookAtAll(
  keeper: Keeper,
  entries: readonly IndexEntry[],
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folders = new Map<string, Promise<boolean>>();
  const hasFolder = (path: string): Promise<boolean> => {
    if (path === '.') return Promise.resolve(true);
    const known =
      folders.get(path) ??
      hasFolder(dirname(path)).then(async (above) => above && (await kindOf(join(keeper.worktree, path))) === 'folder');
    folders.set(path, known);
    return known;
  };
  const there = async (path: string): Promise<boolean> =>
    (await hasFolder(dirname(path))) && (await kindOf(join(keeper.worktree, path))) !== 'nothing';
  const skipped: string[] = [];
  for (const { tag, path } of entries) if (/s/i.test(tag) && (await there(path))) skipped.push(path);
  const assumed = entries.flatMap(({ tag, path }) => (/[a-z]/.test(tag) ? [path] : []));
  for (const [flag, paths] of [
    ['--no-skip-worktree', skipped],
    ['--no-assume-unchanged', assumed],
  ] as const)
    if (paths.length > 0)
      await runGit(throughKeeper(keeper), ['update-index', '-z', flag, '--stdin'], {
        doing: 'saving work in progress',
        signal,
        env,
        input: paths.map((path) => `${path}\0`).join(''),
      });
}

/**
 * Git is not to look into repositories within, for it would do so by their configuration: it leaves out what is marked
 * so, and their commits are recorded here, read as files.
 */
async function recordWithin(
  keeper: Keeper,
  within: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const doing = 'recording repositories within';
  const lines: string[] = [];
  const gone: string[] = [];
  for (const name of within) {
    const inner = join(keeper.worktree, name);
    if ((await kindOf(inner)) !== 'folder') {
      gone.push(`${name}\0`);
      continue;
    }
    const git = await findNestedGit(inner, keeper.worktree);
    const head = git === undefined ? undefined : await readAgentHead(git);
    if (head?.kind === 'commit') lines.push(`160000 ${head.sha}\t${name}\0`);
  }
  if (gone.length > 0)
    await runGit(throughKeeper(keeper), ['update-index', '-z', '--force-remove', '--stdin'], {
      doing,
      signal,
      env,
      input: gone.join(''),
    });
  await runGit(throughKeeper(keeper), ['update-index', '-z', '--index-info'], {
    doing,
    signal,
    env,
    input: lines.join(''),
  });
}

const badIndex =
  /index file (?:corrupt|smaller than expected)|bad (?:index file|signature)|index uses .* extension|unknown index (?:version|entry)|bad index version/i;

async function addAll(
  keeper: Keeper,
  env: Record<string, string>,
  rules: SaveRules | undefined,
  signal: AbortSignal | undefined,
): Promise<string[] | 'bad index'> {
  let left: LeftOut[];
  try {
    left = rules === undefined || rules.trackedOnly === true ? [] : await leftOutOf(keeper, rules, env, signal);
  } catch (error) {
    if (error instanceof GitError && badIndex.test(error.stderr)) return 'bad index';
    throw error;
  }
  const doing = 'saving work in progress';
  const entries = await indexEntries(keeper, env, signal);
  await lookAtAll(
    keeper,
    entries.filter((entry) => !isWithin(entry)),
    env,
    signal,
  );
  const within = entries.filter(isWithin).map(({ path }) => path);
  if (within.length > 0)
    await runGit(throughKeeper(keeper), ['update-index', '-z', '--skip-worktree', '--stdin'], {
      doing,
      signal,
      env,
      input: within.map((name) => `${name}\0`).join(''),
    });
  const pathspecs = left.length === 0 ? [] : ['--pathspec-from-file=-', '--pathspec-file-nul'];
  const { stderr, code } = await runGit(
    throughKeeper(keeper),
    ['add', rules?.trackedOnly === true ? '--update' : '--all', '--ignore-errors', ...pathspecs],
    {
      doing,
      signal,
      env,
      accept: [0, 1, 128],
      input:
        left.length === 0
          ? undefined
          : [':(top)', ...left.map(({ path }) => `:(top,exclude,literal)${path}`)].join('\0'),
    },
  );
  const byPath = (all: readonly IndexEntry[]): Map<string, IndexEntry> =>
    new Map(all.map((entry) => [entry.path, entry]));
  const changing =
    code === 128
      ? []
      : await reread(keeper, byPath(entries), byPath(await indexEntries(keeper, env, signal)), env, signal);
  if (within.length > 0) await recordWithin(keeper, within, env, signal);
  const lines = stderr
    .split('\n')
    // What the agent's repository borrows from where nothing is (any more) is its own affair.
    .filter((line) => !/object director|alternate object/.test(line))
    .filter((line) => /^(?:error|fatal): |^warning: adding embedded git repository/.test(line));
  if (code === 128) {
    if (badIndex.test(stderr)) return 'bad index';
    // Git was stopped by a single file: nothing is saved rather than something taken for everything.
    throw new GitError(
      /No space left|Disk quota/.test(stderr) ? 'no_space' : 'other',
      `the worktree cannot be saved (${lines.at(-1) ?? 'git gave no reason'}): mend or ignore what git names`,
      stderr,
    );
  }
  return [
    ...lines,
    ...changing.map((path) => `${path} was replaced while it was saved`),
    ...left.map(({ path, why }) => `${path} is left out: ${why}`),
  ];
}

async function fromBasis(
  keeper: Keeper,
  basis: string | undefined,
  index: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await runGit(throughKeeper(keeper), ['read-tree', basis ?? '--empty'], {
    doing: 'reading a commit into an index',
    signal,
    env: { GIT_INDEX_FILE: index },
  });
}

async function copied(keeper: Keeper, gitDir: string, to: string): Promise<boolean> {
  if ((await kindOf(join(gitDir, 'index'))) !== 'file') return false;
  // A split index names its other half by its id; it is looked for in the keeper.
  for (const name of await namesIn(keeper.dir)) if (isShared(name)) await rm(join(keeper.dir, name), { force: true });
  try {
    const { mtime } = await stat(join(gitDir, 'index'));
    await copyFile(join(gitDir, 'index'), to);
    // Git looks into a file that is not older than the index. A younger copy would have it trust the size and the time
    // of one that was changed in the very moment of its checkout, and the change would not be saved. A save that lacked
    // such a change was seen once, on a busy machine; that this was its cause is likely, and was not proven.
    await utimes(to, mtime, mtime);
    for (const name of await namesIn(gitDir))
      if (isShared(name) && (await kindOf(join(gitDir, name))) === 'file')
        await copyFile(join(gitDir, name), join(keeper.dir, name));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

const isShared = (name: string): boolean => /^sharedindex\.[0-9a-f]+$/.test(name);

async function removeOldScratch(gitDir: string): Promise<void> {
  for (const name of await readdir(gitDir)) {
    if (!name.startsWith(scratchPrefix)) continue;
    const path = join(gitDir, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > scratchMaxAge) await rm(path, { recursive: true, force: true });
    } catch (error) {
      // Another save of this worktree has just ended.
      if (!isMissing(error)) throw error;
    }
  }
}
