import { setTimeout as sleep } from 'node:timers/promises';
import { GitError } from './git-error.js';
import type { GitProgress } from './git-progress.js';
import { remoteRefs } from './remote-refs.js';
import { runGit } from './run-git.js';

export interface FetchOptions {
  repo: string;
  onProgress?: ((progress: GitProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  stallLimit?: number | undefined;
}

/**
 * The remote's branches as remote-tracking refs: `refs/heads` of the mirror belongs to the agents in its worktrees, and
 * a fetch must not move it under them.
 */
const branches = '+refs/heads/*:refs/remotes/origin/*';

/**
 * Configuration of a mirror; set again when an agent has changed it, since worktrees share it. `origin` is there for
 * the agents' own `git fetch` and `git push`. Nothing is ever collected: a wip commit that was fetched by its id, or
 * whose ref has moved on, may have no ref, and a worktree's folder may be away for a while; what accumulates is packed
 * by `packMirror` without dropping anything.
 */
const configuration = (repo: string): Record<string, string> => ({
  'remote.origin.url': repo,
  'remote.origin.fetch': branches,
  'gc.auto': '0',
  'gc.pruneexpire': 'never',
  'gc.worktreepruneexpire': 'never',
  'maintenance.auto': 'false',
});

/** Writes those settings that are not as they should be. */
export async function configureMirror(mirror: string, repo: string, signal?: AbortSignal): Promise<void> {
  const doing = 'configuring the mirror';
  const { stdout } = await runGit({ mirror }, ['config', '--local', '--list', '-z'], { doing, signal });
  const found = new Map<string, string[]>();
  for (const entry of stdout.split('\0')) {
    const at = entry.indexOf('\n');
    const name = at < 0 ? entry : entry.slice(0, at);
    found.set(name, [...(found.get(name) ?? []), at < 0 ? '' : entry.slice(at + 1)]);
  }
  for (const [name, value] of Object.entries(configuration(repo))) {
    const values = found.get(name);
    if (values?.length === 1 && values[0] === value) continue;
    await runGit({ mirror }, ['config', '--local', '--replace-all', name, value], { doing, signal });
  }
}

/**
 * Brings a mirror up to date: all branches (with those gone from the remote removed), all tags, and the remote's
 * default branch as `refs/remotes/origin/HEAD`.
 * @throws GitError
 */
export async function fetchMirror(
  mirror: string,
  { repo, onProgress, signal, stallLimit }: FetchOptions,
): Promise<void> {
  const doing = 'updating the mirror';
  // Tags come by --tags, not by a refspec: --prune would else remove tags that agents have made in their worktrees.
  // A branch called HEAD is left out: its tracking ref would be the one that names the default branch.
  const args = [
    'fetch',
    '--prune',
    '--tags',
    '--force',
    '--progress',
    '--no-write-fetch-head',
    '--no-auto-maintenance',
    '--no-recurse-submodules',
    '--end-of-options',
    repo,
    branches,
    '^refs/heads/HEAD',
  ];
  const fetching = fetchPatiently(
    () => runGit({ mirror }, args, { doing, repo, signal, onProgress, stallLimit, limit: 'transfer' }),
    signal,
  );
  // Both ask the same server: side by side they cost one round trip less on every start of a bead.
  const [, remote] = await bothSettled(fetching, remoteRefs(repo, ['HEAD'], 'asking for the default branch', signal));
  await recordDefaultBranch(mirror, remote.head, signal);
}

/** Waits for both even when one fails: no git process may outlive the mirror's lock. */
async function bothSettled<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}

/** An agent's own `git fetch` may hold a ref's lock for a moment. */
async function fetchPatiently(fetch: () => Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  const tries = 4;
  for (let tried = 1; ; tried += 1) {
    try {
      await fetch();
      return;
    } catch (error) {
      const contended =
        error instanceof GitError && !error.damaged && /\.lock': File exists|cannot lock ref/.test(error.stderr);
      if (!contended || tried === tries) throw error;
      await sleep(500 * tried, undefined, signal === undefined ? {} : { signal });
    }
  }
}

async function recordDefaultBranch(
  mirror: string,
  head: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const doing = 'recording the default branch';
  const name = 'refs/remotes/origin/HEAD';
  const known = await runGit({ mirror }, ['symbolic-ref', '--quiet', name], { doing, signal, accept: [0, 1] });
  const wanted =
    head?.startsWith('refs/heads/') === true ? `refs/remotes/origin/${head.slice('refs/heads/'.length)}` : undefined;
  if (known.stdout.trim() === (wanted ?? '')) return;
  if (wanted !== undefined) await runGit({ mirror }, ['symbolic-ref', name, wanted], { doing, signal });
  else await runGit({ mirror }, ['symbolic-ref', '--delete', name], { doing, signal });
}
