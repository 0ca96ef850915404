import { runGit } from './run-git.js';

/**
 * @param worktree - a repository of ours: what git is told may hang on where it lies.
 * @returns whether somebody has told git who commits there.
 * @throws GitError
 */
export async function isIdentified(worktree: string, signal?: AbortSignal): Promise<boolean> {
  const { stdout } = await runGit({ worktree }, ['config', '--get', 'user.email'], {
    doing: 'looking for an identity',
    signal,
    accept: [0, 1],
  });
  return stdout.trim() !== '';
}
