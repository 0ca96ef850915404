import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { branchProblem, shaProblem } from '../contract/index.js';
import { kindOf } from '../edge/kind-of.js';

/** Where the git files of a tree lie that an agent works in. They are read as files and never given to git. */
export interface AgentGit {
  /** Has HEAD and index. */
  gitDir: string;
  /** Has refs and objects; the same folder but for a linked worktree. */
  commonDir: string;
  /** The mirror that a linked worktree belongs to; attempts of earlier versions had such. */
  linkedTo?: string;
}

export type AgentHead =
  | { kind: 'commit'; sha: string; branch?: string }
  /** A branch without any commit. */
  | { kind: 'unborn'; branch: string }
  | { kind: 'unreadable'; why: string };

/** More than HEAD, a ref, a `.git` file or an exclude file can need. */
const smallFile = 64 * 1024;
/** More than packed refs of a hundred thousand branches need. */
const largeFile = 32 * 1024 * 1024;

/**
 * Finds the git files of an agent's tree.
 * @param own - whether Heartbead has given the tree a repository of its own: then nothing else is believed.
 * @returns the places, or what is wrong, in words that fit behind "its .git".
 */
export async function findAgentGit(worktree: string, own: boolean): Promise<AgentGit | string> {
  const path = join(worktree, '.git');
  const kind = await kindOf(path);
  if (kind === 'folder') return own ? { gitDir: path, commonDir: path } : 'is a repository of its own';
  if (kind === 'nothing') return 'was removed';
  if (own || kind !== 'file') return 'was replaced';
  const target = /^gitdir: (.+)$/m.exec((await readSmall(path)) ?? '')?.[1];
  const gitDir = target === undefined ? undefined : resolve(worktree, target);
  // `<mirror>/worktrees/<name>`, and that entry must be this worktree's.
  if (gitDir === undefined || basename(dirname(gitDir)) !== 'worktrees') return 'was replaced';
  const back = (await readSmall(join(gitDir, 'gitdir')))?.trim();
  if (back === undefined || resolve(gitDir, back) !== path)
    return 'points to the entry of another worktree, or to none';
  const mirror = dirname(dirname(gitDir));
  return { gitDir, commonDir: mirror, linkedTo: mirror };
}

/** The repository within a tree: a folder, or the file that git makes for a submodule. */
export async function findNestedGit(inner: string, outer: string): Promise<AgentGit | undefined> {
  const path = join(inner, '.git');
  const kind = await kindOf(path);
  if (kind === 'folder') return { gitDir: path, commonDir: path };
  const target = kind === 'file' ? /^gitdir: (.+)$/m.exec((await readSmall(path)) ?? '')?.[1] : undefined;
  const gitDir = target === undefined ? undefined : resolve(inner, target);
  if (gitDir?.startsWith(`${outer}/`) !== true || (await kindOf(gitDir)) !== 'folder') return undefined;
  // A worktree that the agent has added to its own repository: that has the refs and the objects.
  const own = join(outer, '.git');
  return { gitDir, commonDir: dirname(dirname(gitDir)) === own && dirname(gitDir) === treesOf(own) ? own : gitDir };
}

const treesOf = (commonDir: string): string => join(commonDir, 'worktrees');
/** More than anybody has at once. */
const mostTrees = 100;

/** @returns the folders that git keeps for worktrees which the agent has added to its repository. */
async function addedTrees({ commonDir, linkedTo }: AgentGit): Promise<string[]> {
  const folder = treesOf(commonDir);
  // The worktrees of a mirror are those of attempts.
  if (linkedTo !== undefined || (await kindOf(folder)) !== 'folder') return [];
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [join(folder, entry.name)] : [])).slice(0, mostTrees);
}

/** What git keeps while something takes several steps, what it is, and how it goes on or is given up. */
const steps: readonly { file: string; what: string; ways: readonly string[] }[] = [
  {
    file: 'rebase-apply/applying',
    what: 'the application of patches (git am)',
    ways: ['git am --continue', 'git am --abort'],
  },
  { file: 'rebase-merge', what: 'a rebase', ways: ['git rebase --continue', 'git rebase --abort'] },
  { file: 'rebase-apply', what: 'a rebase', ways: ['git rebase --continue', 'git rebase --abort'] },
  {
    file: 'sequencer',
    what: 'a cherry-pick or revert of several commits',
    ways: ['git cherry-pick --continue', 'git cherry-pick --abort'],
  },
  { file: 'BISECT_LOG', what: 'a bisection', ways: ['git bisect reset'] },
];

/** @returns what an agent has begun with git and not ended, though its tree may be clean and its HEAD a commit. */
export async function unfinishedSteps({ gitDir }: AgentGit): Promise<{ what: string; ways: readonly string[] }[]> {
  const there = await Promise.all(
    steps.map(async (step) => ((await kindOf(join(gitDir, step.file))) === 'nothing' ? [] : [step])),
  );
  return there.flat();
}

/** Reads HEAD and the one ref that it names, as files. */
export async function readAgentHead({ gitDir, commonDir }: AgentGit): Promise<AgentHead> {
  const text = (await readSmall(join(gitDir, 'HEAD')))?.trim();
  if (text === undefined || text === '') return { kind: 'unreadable', why: 'its HEAD is empty or gone' };
  const ref = /^ref: (refs\/.+)$/.exec(text)?.[1];
  if (ref === undefined)
    return shaProblem(text) === undefined
      ? { kind: 'commit', sha: text }
      : { kind: 'unreadable', why: `its HEAD is neither a branch nor a commit` };
  if (branchProblem(ref) !== undefined) return { kind: 'unreadable', why: 'its HEAD names something that is no ref' };
  const branch = ref.replace(/^refs\/heads\//, '');
  const loose = (await readSmall(join(commonDir, ref)))?.trim();
  const sha = loose ?? (await packedRefs(commonDir)).get(ref);
  if (sha === undefined) return { kind: 'unborn', branch };
  return shaProblem(sha) === undefined
    ? { kind: 'commit', sha, branch }
    : { kind: 'unreadable', why: `its branch ${branch} holds no commit id` };
}

/** Every ref of an agent's repository that holds a commit id, and what its stash has held: name to id. */
export async function readAgentRefs(git: AgentGit): Promise<Map<string, string>> {
  const { commonDir } = git;
  const refs = await packedRefs(commonDir);
  for (const name of await looseNames(join(commonDir, 'refs'), 'refs')) {
    const sha = (await readSmall(join(commonDir, name)))?.trim();
    if (sha !== undefined && shaProblem(sha) === undefined) refs.set(name, sha);
  }
  // Only the newest entry of the stash has a ref.
  const log = (await readRegular(join(commonDir, 'logs', 'refs', 'stash'), largeFile)) ?? '';
  for (const [index, line] of log.split('\n').entries()) {
    const sha = line.split(' ')[1];
    if (sha !== undefined && shaProblem(sha) === undefined) refs.set(`refs/stash-${index + 1}`, sha);
  }
  // Of a worktree that the agent has added, HEAD is a ref of its own where no branch is checked out.
  for (const tree of await addedTrees(git)) {
    const sha = (await readSmall(join(tree, 'HEAD')))?.trim();
    if (sha !== undefined && shaProblem(sha) === undefined) refs.set(`refs/worktrees/${basename(tree)}/HEAD`, sha);
  }
  return refs;
}

/** The commits that HEAD has stood at, oldest first, as its log tells; before them those of added worktrees. */
export async function readAgentMoves(git: AgentGit): Promise<string[]> {
  const logs = await Promise.all(
    [...(await addedTrees(git)), git.gitDir].map((folder) => readRegular(join(folder, 'logs', 'HEAD'), largeFile)),
  );
  return logs
    .flatMap((log) => (log ?? '').split('\n'))
    .map((line) => line.split(' ')[1] ?? '')
    .filter((sha) => shaProblem(sha) === undefined);
}

async function packedRefs(commonDir: string): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for (const line of ((await readRegular(join(commonDir, 'packed-refs'), largeFile)) ?? '').split('\n')) {
    const [sha, ref] = line.split(' ');
    if (ref !== undefined && shaProblem(sha) === undefined && branchProblem(ref) === undefined)
      refs.set(ref, sha as string);
  }
  return refs;
}

async function looseNames(folder: string, prefix: string, depth = 0): Promise<string[]> {
  if (depth > 20 || (await kindOf(folder)) !== 'folder') return [];
  const names: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const name = `${prefix}/${entry.name}`;
    if (entry.isDirectory()) names.push(...(await looseNames(join(folder, entry.name), name, depth + 1)));
    else if (entry.isFile() && branchProblem(name) === undefined) names.push(name);
  }
  return names;
}

export const readSmall = (path: string): Promise<string | undefined> => readRegular(path, smallFile);

/** Never waits (a pipe), never reads without end (a device): anything but a file of a sensible size is nothing. */
async function readRegular(path: string, limit: number): Promise<string | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // Gone, a folder on the way that is none, a loop of links, no right to read: in each case there is nothing to read.
    return undefined;
  }
  try {
    const stat = await file.stat();
    return stat.isFile() && stat.size <= limit ? await file.readFile('utf8') : undefined;
  } finally {
    await file.close();
  }
}
