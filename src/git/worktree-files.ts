import { checkedPath } from './git-input.js';
import { openKeeper } from './keeper.js';
import { runGit } from './run-git.js';
import { takeSnapshot } from './snapshot.js';

/** A regular file of a worktree. */
export interface WorktreeFile {
  path: string;
  /** As a commit would have it: where attributes convert it, the file on disk may have more or fewer. */
  bytes: number;
}

/** `<mode> <type> <id> <size>\t<path>` */
const line = /^100\d{3} blob [0-9a-f]+ +(\d+)\t(.*)$/s;

/**
 * @returns the files of a worktree that a save would have now: what is ignored, links and repositories within it are
 * left out.
 * @throws GitError when it is no worktree.
 */
export async function worktreeFiles(path: string, signal?: AbortSignal): Promise<WorktreeFile[]> {
  const keeper = await openKeeper(checkedPath(path));
  const { tree } = await takeSnapshot(keeper, keeper.start, signal);
  const { stdout } = await runGit(
    { mirror: keeper.dir },
    ['ls-tree', '-r', '-z', '--long', '--full-tree', '--end-of-options', tree],
    { doing: 'listing the files', signal },
  );
  return stdout.split('\0').flatMap((entry) => {
    const [, bytes, name] = line.exec(entry) ?? [];
    return name === undefined ? [] : [{ path: name, bytes: Number(bytes) }];
  });
}
