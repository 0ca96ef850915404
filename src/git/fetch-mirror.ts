import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readOwnRef } from '../contract/index.js';
import { bothSettled } from './both-settled.js';
import { textOf } from './files.js';
import { GitError } from './git-error.js';
import type { GitProgress } from './git-progress.js';
import { fetchFlags } from './fetch-commits.js';
import { remoteRefs } from './remote-refs.js';
import type { RemoteRefs } from './remote-refs.js';
import { cutOff } from './git-failure.js';
import { tracking } from './mirror-refs.js';
import type { MirrorRefs } from './mirror-refs.js';
import { runGit } from './run-git.js';
import { trackedBranches } from './secure-mirror.js';
import type { GitAnswer } from './run-git.js';

export interface FetchOptions {
  repo: string;
  onProgress?: ((progress: GitProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  stallLimit?: number | undefined;
}

const doing = 'updating the mirror';

/** Asks a remote for all that a mirror follows. @throws GitError, to whoever waits for it. */
export function askForAll({ repo, signal }: FetchOptions): Promise<RemoteRefs> {
  const asked = remoteRefs(repo, ['HEAD', 'refs/heads/*', 'refs/tags/*'], doing, signal);
  asked.catch(() => undefined);
  return asked;
}

/**
 * @param exceptAttempts - below this prefix the branches of attempts do not count.
 * @returns whether a fetch would change nothing that counts in a mirror with these refs.
 */
export function isUpToDate(
  { standard, refs }: MirrorRefs,
  remote: RemoteRefs,
  exceptAttempts?: string | undefined,
): boolean {
  if (trackedAs(remote.head) !== standard) return false;
  const counts = (branch: string): boolean =>
    branch !== 'HEAD' &&
    (exceptAttempts === undefined || readOwnRef(`refs/heads/${branch}`, [exceptAttempts])?.kind !== 'branch');
  const wanted = new Map<string, string>();
  for (const [name, sha] of remote.refs) {
    if (name.startsWith('refs/heads/')) wanted.set(branchAs(name), sha);
    if (name.startsWith('refs/tags/') && !name.endsWith('^{}')) wanted.set(name, sha);
  }
  const branches = new Set([...refs.keys(), ...wanted.keys()].filter((name) => name.startsWith(tracking)));
  return (
    [...branches].every((name) => refs.get(name) === wanted.get(name) || !counts(name.slice(tracking.length))) &&
    [...wanted].every(([name, sha]) => name.startsWith(tracking) || refs.get(name) === sha)
  );
}

/**
 * Brings a mirror up to date: all branches (with those gone from the remote removed), all tags, and the remote's
 * default branch as `refs/remotes/origin/HEAD`.
 * @param asked - what the remote was asked already.
 * @throws GitError
 */
export async function fetchMirror(
  mirror: string,
  { repo, onProgress, signal, stallLimit }: FetchOptions,
  asked?: Promise<RemoteRefs>,
): Promise<void> {
  // Tags come by --tags, not by a refspec: --prune would else remove tags that agents have made in their worktrees.
  // A branch called HEAD is left out: its tracking ref would be the one that names the default branch.
  const args = ['fetch', '--prune', '--tags', '--force', ...fetchFlags, repo, trackedBranches, '^refs/heads/HEAD'];
  // Both ask the same server: side by side they cost one round trip less on every start of a bead.
  const ask = (head: Promise<RemoteRefs>): Promise<[GitAnswer, RemoteRefs]> =>
    bothSettled(
      fetchPatiently(
        () => runGit({ mirror }, args, { doing, repo, signal, onProgress, stallLimit, limit: 'transfer' }),
        signal,
      ),
      head,
    );
  const askForHead = (): Promise<RemoteRefs> => remoteRefs(repo, ['HEAD'], 'asking for the default branch', signal);
  let [fetched, remote] = await ask(asked ?? askForHead());
  // The default branch was renamed between the two answers: the next two agree.
  if (remote.refs.has('HEAD') && !(await tracks(mirror, remote.head))) [fetched, remote] = await ask(askForHead());
  // Git only warns, and ends well without a branch.
  if (/shallow roots are not allowed/.test(fetched.stderr)) throw new GitError('bad_input', cutOff(repo, 'shallow'));
  await recordDefaultBranch(mirror, remote.head, signal);
}

/** An agent's own `git fetch` may hold a ref's lock for a moment. */
async function fetchPatiently(fetch: () => Promise<GitAnswer>, signal: AbortSignal | undefined): Promise<GitAnswer> {
  const tries = 4;
  for (let tried = 1; ; tried += 1) {
    try {
      return await fetch();
    } catch (error) {
      const contended =
        error instanceof GitError && !error.damaged && /\.lock': File exists|cannot lock ref/.test(error.stderr);
      if (!contended || tried === tries) throw error;
      await sleep(500 * tried, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** @returns the name by which a mirror tracks a branch of its remote; undefined for what is none. */
const trackedAs = (head: string | undefined): string | undefined =>
  head?.startsWith('refs/heads/') === true ? branchAs(head) : undefined;

const branchAs = (name: string): string => `${tracking}${name.slice('refs/heads/'.length)}`;

/** By its files: each start of a bead comes by here, and a process takes longer. */
async function tracks(mirror: string, head: string | undefined): Promise<boolean> {
  const name = trackedAs(head);
  if (name === undefined || (await textOf(join(mirror, name))) !== '') return true;
  return (await textOf(join(mirror, 'packed-refs'))).includes(` ${name}\n`);
}

async function recordDefaultBranch(
  mirror: string,
  head: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const doing = 'recording the default branch';
  const name = `${tracking}HEAD`;
  const wanted = trackedAs(head);
  // A ref that names another one is always a file; each start of a bead comes by here.
  const known = /^ref: (.*)$/m.exec(await textOf(join(mirror, name)))?.[1]?.trim();
  if (known === wanted) return;
  if (wanted !== undefined) await runGit({ mirror }, ['symbolic-ref', name, wanted], { doing, signal });
  else await runGit({ mirror }, ['symbolic-ref', '--delete', name], { doing, signal });
}
