import { rm } from 'node:fs/promises';
import { refNames } from '../contract/index.js';
import type { Host } from '../host/index.js';
import { removeUnusedWorktree, mirrorPath } from '../git/index.js';
import type { AttemptDir } from '../runner/index.js';

/**
 * Removes what was prepared for an attempt in which provably no agent was ever spawned: there is no work in it, so no
 * proof of push is asked for. The caller holds the attempt's turn (or is its preparation), and knows that no runner got
 * past the fence.
 * @param options.keepFolder the attempt itself stays known here, and may be begun anew.
 */
export async function removeUnusedWorkspace(
  host: Host,
  dir: AttemptDir,
  repo: string,
  options: { keepFolder?: boolean } = {},
): Promise<void> {
  await removeUnusedWorktree({
    mirror: mirrorPath(host.mirrors, repo),
    path: dir.worktree,
    branch: refNames((await dir.readInput())?.workspace?.refPrefix).branch(dir.bead, dir.attempt),
  });
  if (options.keepFolder === true) return rm(dir.file('setup.json'), { force: true });
  await dir.remove();
}
