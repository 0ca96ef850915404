import { runGit } from '../run-git.js';
import type { GitAnswer, RunGitOptions } from '../run-git.js';

/**
 * Runs git-lfs in a vault. The vault is found by where the command stands, and not named: git would hand its name on to
 * the helper that writes into a remote on the same disk, which then took the vault for the remote, and ended well.
 * @throws GitError
 */
export const runLfs = (
  vault: string,
  settings: readonly string[],
  args: readonly string[],
  options: RunGitOptions,
): Promise<GitAnswer> => runGit({ worktree: vault }, [...settings, 'lfs', ...args], options);
