import type { GitProgress } from './git-progress.js';
import { runGit } from './run-git.js';
import type { GitAnswer } from './run-git.js';

/** What every fetch into a mirror has in common; behind it come the remote and what is wanted of it. */
export const fetchFlags: readonly string[] = [
  '--progress',
  '--no-write-fetch-head',
  '--no-auto-maintenance',
  '--no-recurse-submodules',
  '--end-of-options',
];

/**
 * Fetches refs into a repository of ours without making a local ref of any: nothing is ever collected there.
 * @param repo checked URL or path.
 * @throws GitError
 */
export const fetchCommits = (
  mirror: string,
  repo: string,
  refs: readonly string[],
  options: {
    doing: string;
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: GitProgress) => void) | undefined;
  },
): Promise<GitAnswer> =>
  runGit({ mirror }, ['fetch', '--no-tags', ...fetchFlags, repo, ...refs], { ...options, repo, limit: 'transfer' });
