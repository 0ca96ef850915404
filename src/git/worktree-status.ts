import { checkedPath } from './git-input.js';
import { runGit } from './run-git.js';

/** A path with something uncommitted. */
export interface StatusEntry {
  /** `unmerged`: a merge left it in conflict. */
  kind: 'unmerged' | 'changed' | 'untracked';
  /** Ends with a slash when it is a whole folder that git knows nothing of. */
  path: string;
}

export interface WorktreeStatus {
  head: string;
  dirty: boolean;
  entries: StatusEntry[];
  branch?: string;
}

/** Fields before the path, by the letter of the line (`git status --porcelain=v2`, without renames). */
const fieldsBefore: Record<string, number> = { '1': 8, u: 10, '?': 1 };

function entryOf(line: string): StatusEntry {
  const letter = line.slice(0, 1);
  const path = line
    .split(' ')
    .slice(fieldsBefore[letter] ?? 1)
    .join(' ');
  return { kind: letter === 'u' ? 'unmerged' : letter === '?' ? 'untracked' : 'changed', path };
}

/**
 * @returns the commit at HEAD (empty on a branch without a commit), whether there is uncommitted work (untracked files
 * count, ignored ones do not), and the branch that is checked out (absent when HEAD is detached).
 * @throws GitError when it is no worktree.
 */
export async function worktreeStatus(path: string, signal?: AbortSignal): Promise<WorktreeStatus> {
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
    entries: entries.filter((entry) => !entry.startsWith('# ')).map(entryOf),
    ...(branch === '(detached)' ? {} : { branch }),
  };
}
