import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { kindOf } from '../edge/kind-of.js';
import { findAgentGit, readAgentHead, readSmall } from './agent-git.js';
import type { AgentGit, AgentHead } from './agent-git.js';
import { hasCommit } from './commits.js';
import { exists, namesIn, textOf } from './files.js';
import { GitError } from './git-error.js';
import { removeStaleLock } from './leftovers.js';
import { lfsProgram } from './lfs/program.js';
import { runGit } from './run-git.js';
import { formatLines } from './secure-mirror.js';

/**
 * A bare repository of ours beside an agent's tree, by which alone Heartbead's git looks at that tree: its
 * configuration, hooks and refs are ours, its objects are borrowed from the agent's repository and the vault, and the
 * index it looks with is a copy. So nothing in the agent's `.git` steers our git, and a broken one does not stop it.
 */
export interface Keeper {
  dir: string;
  worktree: string;
  vault: string;
  /** The commit that the attempt's work began at, where it is known. */
  start?: string | undefined;
  /** The agent's repository; or what is wrong with it, in words that fit behind "its .git". */
  git: AgentGit | string;
}

interface KeeperRecord {
  vault: string;
  start: string;
}

/** Lists what the repository of a worktree borrows, as it was before anybody else was in there. */
const borrowedName = 'heartbead-borrowed';

const recordName = 'heartbead.json';
/**
 * Written when a worktree is complete. Without it no agent can have been there, for an agent is started only after
 * that.
 */
const readyMark = 'heartbead-ready';
/**
 * Written when its work was proven to be on the remote and its removal has begun: a removal that was cut off is then
 * simply continued.
 */
const removingMark = 'heartbead-removing';

/** Beside the tree, never in it. */
export const keeperOf = (worktree: string): string => `${worktree}.keeper.git`;

/** Makes the keeper of a worktree that is about to be made. */
export async function makeKeeper(worktree: string, record: KeeperRecord): Promise<void> {
  await mkdir(keeperOf(worktree), { recursive: true, mode: 0o700 });
  await writeFileAtomic(join(keeperOf(worktree), recordName), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/**
 * @returns folders of objects that the repository of a tree borrows. Only of a tree of ours in which nothing foreign
 * has run yet: whoever works there can write what stands there.
 */
export const borrowsOfFreshTree = async (tree: string): Promise<string[]> =>
  linesOf(await textOf(join(tree, '.git', 'objects', 'info', 'alternates')));

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Keeps what a worktree borrows, before anybody else is let in there. */
export async function recordBorrowed(worktree: string): Promise<void> {
  const folders = await borrowsOfFreshTree(worktree);
  await writeFile(join(keeperOf(worktree), borrowedName), `${folders.join('\n')}\n`, { mode: 0o600 });
}

/**
 * @returns folders of objects that the repository of a worktree borrows, by what was recorded when it was made.
 * @throws GitError when there is a record that cannot be read.
 */
export async function borrowedBy(worktree: string): Promise<string[]> {
  const text = await textOf(join(keeperOf(worktree), borrowedName));
  if (text.trim() !== '') return linesOf(text);
  // Made by an earlier version.
  const record = await readRecord(worktree);
  return record === undefined ? [] : [join(record.vault, 'objects')];
}

export const markReady = (worktree: string): Promise<void> => writeFile(join(keeperOf(worktree), readyMark), '');
export const markRemoving = (worktree: string): Promise<void> => writeFile(join(keeperOf(worktree), removingMark), '');

/**
 * How far the making or the removal of a worktree with a repository of its own has come; undefined when there is none.
 */
export async function keeperState(worktree: string): Promise<{ ready: boolean; removing: boolean } | undefined> {
  const dir = keeperOf(worktree);
  return (await readRecord(worktree)) === undefined
    ? undefined
    : { ready: await exists(join(dir, readyMark)), removing: await exists(join(dir, removingMark)) };
}

export const dropKeeper = (worktree: string): Promise<void> => rm(keeperOf(worktree), { recursive: true, force: true });

/**
 * Opens the keeper of a worktree; that of a linked worktree (attempts of earlier versions) is made here.
 * @throws GitError when the worktree is none of ours.
 */
export async function openKeeper(worktree: string): Promise<Keeper> {
  const record = await readRecord(worktree);
  const git = await findAgentGit(worktree, record !== undefined);
  const vault = record?.vault ?? (typeof git === 'string' ? undefined : git.linkedTo);
  if (vault === undefined)
    throw new GitError(
      'other',
      `${worktree} is no longer a git worktree (its .git ${String(git)}): the files in it are untouched, look ` +
        'at them there',
    );
  const keeper = { dir: keeperOf(worktree), worktree, vault, start: record?.start, git };
  await writeKeeper(keeper);
  return keeper;
}

/** Writes all that steers git in a keeper; the objects of a repository that has lost them are left out. */
export async function writeKeeper({ dir, vault, git }: Keeper): Promise<void> {
  for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'info'])
    await mkdir(join(dir, folder), { recursive: true, mode: 0o700 });
  // The vault first: of two objects with one id the one that we have checked is taken.
  const objects = [join(vault, 'objects')];
  if (typeof git !== 'string' && git.commonDir !== vault) {
    const borrowed = join(git.commonDir, 'objects');
    if ((await kindOf(borrowed)) === 'folder') objects.push(borrowed);
  }
  await write(join(dir, 'objects', 'info', 'alternates'), objects.map((path) => `${quotedPath(path)}\n`).join(''));
  const { version, disk, extensions } = await formatLines(vault);
  await write(
    join(dir, 'config'),
    [
      '[core]',
      version,
      '\tfilemode = true',
      '\tbare = true',
      ...disk,
      ...extensions,
      ...((await lfsProgram())?.settings ?? []),
      '',
    ].join('\n'),
  );
  // Patterns of files are no programs, and tools write there what nobody is to commit.
  const exclude = typeof git === 'string' ? undefined : await readSmall(join(git.commonDir, 'info', 'exclude'));
  await write(join(dir, 'info', 'exclude'), exclude ?? '');
  if (!(await exists(join(dir, 'HEAD')))) await pointHead({ dir }, undefined);
}

/** In one step, and only what is not so already: somebody else (the board) may be looking at this moment. */
async function write(file: string, text: string): Promise<void> {
  if (!(await exists(file)) || (await textOf(file)) !== text) await writeFileAtomic(file, text, { mode: 0o600 });
}

/** HEAD of the keeper, against which `git status` compares. */
export const pointHead = ({ dir }: Pick<Keeper, 'dir'>, sha: string | undefined): Promise<void> =>
  writeFile(join(dir, 'HEAD'), `${sha ?? 'ref: refs/heads/none'}\n`);

/** The place of a git that reads the agent's tree by its keeper. */
export const throughKeeper = ({ dir, worktree }: Keeper): { keeper: string; worktree: string } => ({
  keeper: dir,
  worktree,
});

/** @returns HEAD of the agent; a commit only when its object can be read. */
export async function headOf(keeper: Keeper, signal?: AbortSignal): Promise<AgentHead> {
  if (typeof keeper.git === 'string') return { kind: 'unreadable', why: `its .git ${keeper.git}` };
  const head = await readAgentHead(keeper.git);
  if (head.kind !== 'commit') return head;
  try {
    if (await hasCommit(throughKeeper(keeper), head.sha, signal)) return head;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
  }
  return { kind: 'unreadable', why: `its last commit ${head.sha} is missing or damaged` };
}

/**
 * Brings a commit with all that it needs into the vault, under a ref there. Git computes every id anew on the way, so
 * what the vault has is what its name says, whatever lies in the agent's repository.
 * @param from - a keeper, or a repository of ours.
 * @throws GitError when objects are missing, for one.
 */
export async function bringIntoVault(
  from: Keeper | { repository: string; vault: string },
  { sha, ref, doing, signal }: { sha: string; ref: string; doing: string; signal?: AbortSignal | undefined },
): Promise<void> {
  // Left by a process of this attempt that was killed at this very step; no other writes this ref.
  await removeStaleLock(join(from.vault, `${ref}.lock`), signal);
  await runGit(
    'repository' in from ? { worktree: from.repository } : throughKeeper(from),
    [
      'push',
      '--quiet',
      '--no-verify',
      '--no-signed',
      '--no-follow-tags',
      '--recurse-submodules=no',
      '--end-of-options',
      from.vault,
      `+${sha}:${ref}`,
    ],
    { doing, signal, limit: 'transfer' },
  );
}

/**
 * Removes the objects that a keeper has made itself, once the vault has them: otherwise each save would lie on the disk
 * twice.
 */
export async function emptyKeeper({ dir }: Keeper): Promise<void> {
  for (const name of await namesIn(join(dir, 'objects')))
    if (/^[0-9a-f]{2}$/.test(name)) await rm(join(dir, 'objects', name), { recursive: true, force: true });
  await rm(join(dir, 'lfs'), { recursive: true, force: true });
}

async function readRecord(worktree: string): Promise<KeeperRecord | undefined> {
  const text = await textOf(join(keeperOf(worktree), recordName));
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as KeeperRecord;
  } catch (error) {
    throw new GitError(
      'other',
      `${join(keeperOf(worktree), recordName)} is damaged: look at ${worktree} and remove both by hand`,
      '',
      { cause: error },
    );
  }
}

const quotedPath = (path: string): string =>
  /^["#]|\n/.test(path) ? `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"` : path;
