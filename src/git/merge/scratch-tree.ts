import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkedPath, checkedSha } from '../git-input.js';
import { exists } from '../files.js';
import { withMirror } from '../mirror-lock.js';
import { runGit } from '../run-git.js';
import { dropWorktree, findAdmin } from '../worktree-admin.js';

/**
 * Makes a worktree without a branch at a commit. What stands at the path is removed first: there is never anybody's
 * work in a scratch tree.
 * @throws GitError
 */
export async function makeScratch(mirror: string, path: string, at: string, signal?: AbortSignal): Promise<void> {
  checkedPath(path);
  checkedSha(at);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const doing = 'making the scratch tree';
  await withMirror(mirror, signal, async () => {
    await dropWorktree(path, await findAdmin(mirror, path));
    await runGit(
      { mirror },
      ['worktree', 'add', '--lock', '--reason=heartbead merge', '--quiet', '--detach', '--no-checkout', '--', path, at],
      {
        doing,
        signal,
      },
    );
  });
  // The files outside of the lock: a large tree must not hold up the starts of agents.
  await runGit({ worktree: path }, ['reset', '--quiet', '--hard', at], { doing, signal });
}

/** Removes a scratch tree and its entry in the mirror. Nothing may be running in it any more. */
export async function removeScratch(mirror: string, path: string): Promise<void> {
  await withMirror(mirror, undefined, async () => dropWorktree(checkedPath(path), await findAdmin(mirror, path)));
}

/**
 * Removes the scratch trees that a killed worker has left, with their entries in the mirrors. To be called when no
 * merge can be under way on this host.
 * @param folder the folder of the scratch trees, `refinery/` in the state directory: `<rig>/<item>` below it.
 * @param beforeEach called with each path first; ends what still runs in it.
 * @returns the paths.
 */
export async function removeLeftScratches(
  folder: string,
  mirrors: string,
  beforeEach: (path: string) => Promise<void>,
): Promise<string[]> {
  const removed: string[] = [];
  for (const rig of await folders(folder)) {
    for (const item of await folders(join(folder, rig))) {
      const path = join(folder, rig, item);
      await beforeEach(path);
      for (const name of await folders(mirrors)) {
        const mirror = join(mirrors, name);
        if ((await findAdmin(mirror, path)) !== undefined) await removeScratch(mirror, path);
      }
      // Its mirror is gone, or never got an entry.
      await dropWorktree(path, undefined);
      removed.push(path);
    }
  }
  return removed;
}

async function folders(path: string): Promise<string[]> {
  if (!(await exists(path))) return [];
  return (await readdir(path, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
