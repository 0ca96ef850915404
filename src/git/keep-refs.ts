import { readAgentRefs } from './agent-git.js';
import { hasCommit, reachableFrom } from './commits.js';
import { GitError } from './git-error.js';
import { bringIntoVault, throughKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { runGit } from './run-git.js';
import type { GitPlace } from './run-git.js';

/**
 * Keeps in the vault what an agent's repository alone has, before it goes: branches, tags, notes, stashes and the HEAD
 * of worktrees that it has added, whose commits neither the remote nor the vault's own refs reach.
 * @param under - the ref below which they are kept.
 * @param tips - commits that are safe already.
 * @returns the refs that were kept.
 */
export async function keepRefs(
  keeper: Keeper,
  { under, tips, signal }: { under: string; tips: readonly string[]; signal?: AbortSignal | undefined },
): Promise<string[]> {
  const { git, vault } = keeper;
  // The refs of a linked worktree are the vault's own.
  if (typeof git === 'string' || git.commonDir === vault) return [];
  const place = { mirror: vault };
  const { stdout } = await runGit(place, ['for-each-ref', '--format=%(objectname)'], {
    doing: 'listing what the mirror has',
    signal,
  });
  const safe = new Set([...tips, ...stdout.split('\n').filter((sha) => sha !== '')]);
  const refs = [...(await readAgentRefs(git))].filter(([name]) =>
    /^refs\/(?:heads\/|tags\/|notes\/|worktrees\/|stash)/.test(name),
  );
  const unsafe = await notReached(
    place,
    refs.map(([, sha]) => sha),
    safe,
    signal,
  );
  const alone = refs.filter(([, sha]) => unsafe.has(sha));
  // The vault would have them for ever, and each use of it would read them.
  if (unsafe.size > mostKept)
    throw new GitError(
      'other',
      `${keeper.worktree} has more than ${mostKept} branches, tags and notes that nobody else has: look at it and ` +
        'remove it by hand',
    );
  // By ref; what one of them leads to, or has the name of, is kept with it.
  const kept = new Map<string, string>();
  for (const [name, sha] of alone) {
    const tips = [...kept.values()];
    if (tips.includes(sha) || !(await hasObject(keeper, sha, signal))) continue;
    if (tips.length > 0 && (await hasCommit(place, sha, signal)) && (await reachableFrom(place, sha, tips, signal)))
      continue;
    const ref = `${under}/${name.slice('refs/'.length)}`;
    await bringIntoVault(keeper, { sha, ref, doing: `keeping ${name}`, signal });
    kept.set(ref, sha);
  }
  return [...kept.keys()];
}

/** More than anybody makes for one piece of work. */
const mostKept = 500;

/** @returns what is not here, or is no commit, or is one that nothing safe leads to: at once for any number. */
async function notReached(
  place: GitPlace,
  all: readonly string[],
  safe: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const doing = 'looking for what the mirror has';
  const asked = all.filter((sha) => !safe.has(sha));
  if (asked.length === 0) return new Set();
  const { stdout } = await runGit(place, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    doing,
    signal,
    input: [...asked, ...safe, ''].join('\n'),
  });
  const types = new Map(stdout.split('\n').map((line) => line.split(' ') as [string, string | undefined]));
  const commits = new Set(asked.filter((sha) => types.get(sha) === 'commit'));
  if (commits.size === 0) return new Set(asked);
  const tips = [...safe].filter((sha) => ['commit', 'tag'].includes(types.get(sha) ?? ''));
  const walked = await runGit(place, ['rev-list', '--stdin'], {
    doing,
    signal,
    input: [...commits, ...tips.map((tip) => `^${tip}`), ''].join('\n'),
  });
  const left = new Set(walked.stdout.split('\n'));
  return new Set(asked.filter((sha) => !commits.has(sha) || left.has(sha)));
}

/** Also a tag's. */
async function hasObject(keeper: Keeper, sha: string, signal: AbortSignal | undefined): Promise<boolean> {
  const { code } = await runGit(throughKeeper(keeper), ['cat-file', '-e', '--end-of-options', sha], {
    doing: `looking for ${sha}`,
    signal,
    accept: [0, 1, 128],
  });
  return code === 0;
}
