import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kindOf } from '../edge/kind-of.js';
import { findNestedGit, readAgentHead, readAgentRefs } from './agent-git.js';
import { hasCommit } from './commits.js';
import { exists, namesIn } from './files.js';
import { openKeeper, throughKeeper, pointHead, writeKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { runGit } from './run-git.js';
import { repositoriesWithin, withIndexCopy } from './snapshot.js';

/**
 * A tree holds of a repository within (a submodule, a clone) only the id of its commit: that must be on a remote of its
 * own, and nothing uncommitted beside it. Such a repository is looked at by a keeper for the moment.
 * @param names - paths in the tree.
 * @returns what would be lost with the folder, or undefined.
 */
export async function lostWithin(
  keeper: Keeper,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  for (const name of names) {
    const inner = join(keeper.worktree, name);
    if (!(await exists(join(inner, '.git')))) {
      if (await isFilledFolder(inner))
        return `${name} is recorded as a repository within and has no .git, so that git keeps none of its files`;
      continue;
    }
    const lost = await withKeeperFor(keeper, inner, async (nested, head) => {
      if (await isDirty(nested, head, signal)) return `the repository ${name} within has uncommitted work`;
      // Of a worktree that was added to the repository around it, the commits are kept with that one's.
      if (!isAdded(nested, keeper) && (await isAhead(nested, head === undefined ? [] : [head], true, signal)))
        return `the repository ${name} within has commits that are on no remote`;
      return undefined;
    });
    if (lost === 'unknown') return `the repository ${name} within cannot be looked into`;
    if (lost !== undefined) return lost;
  }
  return undefined;
}

const isFilledFolder = async (path: string): Promise<boolean> =>
  (await kindOf(path)) === 'folder' && (await namesIn(path)).length > 0;

const isAdded = ({ git }: Keeper, { git: outer }: Keeper): boolean =>
  typeof git !== 'string' && typeof outer !== 'string' && git.commonDir === outer.commonDir;

/** @returns the first repository within whose commit, as it is recorded, is on no remote of its own; in words. */
export async function unpushedWithin(keeper: Keeper, signal?: AbortSignal): Promise<string | undefined> {
  const recorded = await recordedWithin(keeper, signal);
  for (const [name, sha] of recorded) {
    const inner = join(keeper.worktree, name);
    const ahead = await withKeeperFor(
      keeper,
      inner,
      async (nested) =>
        // What is not here was not made here.
        (await hasCommit(throughKeeper(nested), sha, signal)) && (await isAhead(nested, [sha], false, signal)),
    );
    if (ahead === true) return `the commit ${sha} of the repository ${name} within is on no remote of its own`;
  }
  return undefined;
}

/**
 * @param names - repositories within that the commits of a worktree add or move.
 * @returns those whose commit is not here, so that nobody here can have looked at it. @throws GitError
 */
export async function absentWithin(worktree: string, names: readonly string[]): Promise<string[]> {
  const keeper = await openKeeper(worktree);
  const absent: string[] = [];
  for (const [name, sha] of names.length === 0 ? [] : await recordedWithin(keeper, undefined)) {
    if (!names.includes(name)) continue;
    const here = await withKeeperFor(keeper, join(worktree, name), (nested) => hasCommit(throughKeeper(nested), sha));
    if (here !== true) absent.push(name);
  }
  return absent;
}

/** @returns whether something in a repository within is not committed there. */
export async function dirtyWithin(keeper: Keeper, signal?: AbortSignal): Promise<string[]> {
  const dirty: string[] = [];
  for (const [name] of await recordedWithin(keeper, signal)) {
    const inner = join(keeper.worktree, name);
    // A submodule that was turned into a folder: git looks at none of its files.
    if (!(await exists(join(inner, '.git')))) {
      if (await isFilledFolder(inner)) dirty.push(name);
      continue;
    }
    const found = await withKeeperFor(keeper, inner, (nested, head) => isDirty(nested, head, signal));
    if (found === true) dirty.push(name);
  }
  return dirty;
}

/** Path and commit of each that the agent's index records. */
async function recordedWithin(keeper: Keeper, signal: AbortSignal | undefined): Promise<[string, string][]> {
  return withIndexCopy(keeper, undefined, false, signal, async (env) => {
    if ((await repositoriesWithin(keeper, env, signal)).length === 0) return [];
    const { stdout } = await runGit(throughKeeper(keeper), ['ls-files', '--stage', '-z'], {
      doing: 'looking for repositories within',
      signal,
      env,
    });
    return stdout
      .split('\0')
      .filter((entry) => entry.startsWith('160000 '))
      .map((entry) => [entry.slice(entry.indexOf('\t') + 1), entry.split(' ')[1] ?? '']);
  });
}

/** @returns what the work returns; `'unknown'` when there is no repository that can be looked into. */
async function withKeeperFor<T>(
  outer: Keeper,
  inner: string,
  work: (nested: Keeper, head: string | undefined) => Promise<T>,
): Promise<T | 'unknown'> {
  const git = await findNestedGit(inner, outer.worktree);
  if (git === undefined) return 'unknown';
  const dir = await mkdtemp(join(outer.dir, 'within-'));
  try {
    const nested: Keeper = { dir, worktree: inner, vault: outer.vault, git };
    await writeKeeper(nested);
    const head = await readAgentHead(git);
    return await work(nested, head.kind === 'commit' ? head.sha : undefined);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function isDirty(nested: Keeper, head: string | undefined, signal: AbortSignal | undefined): Promise<boolean> {
  await pointHead(nested, head);
  return withIndexCopy(nested, head, false, signal, async (env) => {
    const { stdout } = await runGit(
      throughKeeper(nested),
      ['status', '--porcelain', '-z', '--untracked-files=normal', '--ignore-submodules=dirty'],
      { doing: 'looking into a repository within', signal, env },
    );
    return stdout !== '' || (await dirtyWithin(nested, signal)).length > 0;
  });
}

async function isAhead(
  nested: Keeper,
  commits: readonly string[],
  withBranches: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (typeof nested.git === 'string') return false;
  const place = throughKeeper(nested);
  const refs = [...(await readAgentRefs(nested.git))];
  const here = async (shas: readonly string[]): Promise<string[]> => {
    const found = await Promise.all(shas.map(async (sha) => ((await hasCommit(place, sha, signal)) ? [sha] : [])));
    return found.flat();
  };
  const ours = [
    ...commits,
    ...(withBranches ? await here(refs.filter(([ref]) => ref.startsWith('refs/heads/')).map(([, sha]) => sha)) : []),
  ];
  if (ours.length === 0) return false;
  const theirs = await here(refs.filter(([ref]) => ref.startsWith('refs/remotes/')).map(([, sha]) => sha));
  const { stdout } = await runGit(place, ['rev-list', '--max-count=1', '--stdin'], {
    doing: 'looking into a repository within',
    signal,
    input: [...ours, ...theirs.map((sha) => `^${sha}`), ''].join('\n'),
  });
  return stdout.trim() !== '';
}
