import { throughKeeper, openKeeper } from './keeper.js';
import { runGit } from './run-git.js';

/** What a remote may refuse in what a push of these commits would send. */
export interface HeavyFiles {
  /** Paths of files above the limit, in any of the commits. */
  large: { path: string; bytes: number }[];
}

/**
 * GitHub refuses a push that has a file of more than 100 MiB in any of its commits
 * (https://docs.github.com/en/repositories/working-with-files/managing-large-files/about-large-files-on-github); the
 * usual limit of GitLab.com and of others is the same.
 */
export const forgeFileLimit = 100 * 1024 * 1024;

/**
 * @param from - what the remote has already; `to` - the newest of the commits.
 * @throws GitError
 */
export async function heavyFiles(
  worktree: string,
  { from, to, limit = forgeFileLimit }: { from: string; to: string; limit?: number },
  signal?: AbortSignal,
): Promise<HeavyFiles> {
  const place = throughKeeper(await openKeeper(worktree));
  const doing = 'looking for large files';
  // Each blob of the commits, with the path that it is first found at.
  const { stdout: listed } = await runGit(place, ['rev-list', '--objects', '--end-of-options', to, `^${from}`], {
    doing,
    signal,
  });
  const { stdout: sizes } = await runGit(place, ['cat-file', '--batch-check=%(objecttype) %(objectsize) %(rest)'], {
    doing,
    signal,
    input: listed,
  });
  const large: HeavyFiles['large'] = [];
  for (const line of sizes.split('\n')) {
    const [, size, path = ''] = /^blob (\d+) (.*)$/.exec(line) ?? [];
    if (size === undefined) continue;
    if (Number(size) > limit) large.push({ path, bytes: Number(size) });
  }
  return { large };
}
