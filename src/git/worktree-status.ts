import { checkedPath } from './git-input.js';
import { runGit } from './run-git.js';

/**
 * @returns the commit at HEAD (empty on a branch without a commit), whether there is uncommitted work (untracked files
 * count, ignored ones do not), and the branch that is checked out (absent when HEAD is detached).
 * @throws GitError when it is no worktree.
 */
export async function worktreeStatus(
  path: string,
  signal?: AbortSignal,
): Promise<{ head: string; dirty: boolean; branch?: string }> {
  const { stdout } = await runGit(
    { worktree: checkedPath(path) },
    [
      'status',
      '--porcelain=v2',
      '--branch',
      '-z',
      '--untracked-files=normal',
      '--ignore-submodules=none',
      '--no-renames',
    ],
    {
      doing: 'looking at the worktree',
      signal,
    },
  );
  const entries = stdout.split('\0').filter((entry) => entry !== '');
  const header = (name: string): string =>
    entries.find((entry) => entry.startsWith(`# branch.${name} `))?.slice(`# branch.${name} `.length) ?? '';
  const head = header('oid');
  const branch = header('head');
  return {
    head: head === '(initial)' ? '' : head,
    dirty: entries.some((entry) => !entry.startsWith('# ')),
    ...(branch === '(detached)' ? {} : { branch }),
  };
}
