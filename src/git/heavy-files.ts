import { lookingThrough, openKeeper } from './keeper.js';
import { runGit } from './run-git.js';

/**
 * Of what a push of these commits would send, what a remote may refuse or lack afterwards.
 */
export interface HeavyFiles {
  /** Paths of files above the limit, in any of the commits. */
  large: { path: string; bytes: number }[];
  /** Paths of pointers of Git LFS, whose contents a push of commits does not bring along. */
  pointers: string[];
}

/**
 * GitHub refuses a push that has a file of more than 100 MiB in any of its commits
 * (https://docs.github.com/en/repositories/working-with-files/managing-large-files/about-large-files-on-github); the
 * usual limit of GitLab.com and of others is the same.
 */
export const forgeFileLimit = 100 * 1024 * 1024;

/** By its specification a pointer has fewer bytes, and begins with this line. */
const pointerLimit = 1024;
const pointerStart = 'version https://git-lfs.github.com/spec/v1\n';

/**
 * @param from - what the remote has already; `to` - the newest of the commits.
 * @throws GitError
 */
export async function heavyFiles(
  worktree: string,
  { from, to, limit = forgeFileLimit }: { from: string; to: string; limit?: number },
  signal?: AbortSignal,
): Promise<HeavyFiles> {
  const place = lookingThrough(await openKeeper(worktree));
  const doing = 'looking for large files';
  // Each blob of the commits, with the path that it is first found at.
  const { stdout: listed } = await runGit(place, ['rev-list', '--objects', '--end-of-options', to, `^${from}`], {
    doing,
    signal,
  });
  const { stdout: sizes } = await runGit(
    place,
    ['cat-file', '--batch-check=%(objecttype) %(objectsize) %(objectname) %(rest)'],
    { doing, signal, input: listed },
  );
  const large: HeavyFiles['large'] = [];
  const small = new Map<string, string>();
  for (const line of sizes.split('\n')) {
    const [, size, sha = '', path = ''] = /^blob (\d+) (\S+) (.*)$/.exec(line) ?? [];
    if (size === undefined) continue;
    if (Number(size) > limit) large.push({ path, bytes: Number(size) });
    else if (Number(size) < pointerLimit && Number(size) > pointerStart.length) small.set(sha, path);
  }
  if (small.size === 0) return { large, pointers: [] };
  const { stdout: contents } = await runGit(place, ['cat-file', '--batch'], {
    doing,
    signal,
    input: `${[...small.keys()].join('\n')}\n`,
  });
  const starts = contents.matchAll(new RegExp(`^([0-9a-f]{40,64}) blob \\d+\\n${pointerStart}`, 'gm'));
  return { large, pointers: [...starts].map(([, sha = '']) => small.get(sha)).filter((path) => path !== undefined) };
}
