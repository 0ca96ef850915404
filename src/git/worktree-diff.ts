import { diffOptions } from './commit-diff.js';
import { checkedPath, checkedSha } from './git-input.js';
import { openKeeper } from './keeper.js';
import { runGit } from './run-git.js';
import { takeSnapshot } from './snapshot.js';

/**
 * @returns what a worktree has changed against a commit, committed or not, as a save would have it now.
 * @throws GitError when it is no worktree.
 */
export async function worktreeDiff(path: string, base: string, signal?: AbortSignal): Promise<string> {
  const keeper = await openKeeper(checkedPath(path));
  const { tree } = await takeSnapshot(keeper, keeper.start, signal);
  const { stdout } = await runGit({ mirror: keeper.dir }, ['diff', ...diffOptions, checkedSha(base), tree, '--'], {
    doing: 'looking at the changes',
    signal,
  });
  return stdout;
}
