import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkedPath, checkedRepo, checkedSha } from '../git-input.js';
import { exists } from '../files.js';
import { borrowsOfFreshTree, bringIntoVault } from '../keeper.js';
import { provideContents } from '../lfs/contents.js';
import { withMirror } from '../mirror-lock.js';
import { mirrorPath } from '../mirror-path.js';
import { makeRepository } from '../repository-files.js';
import { runGit } from '../run-git.js';
import { fillSubmodules } from '../submodules/fill.js';
import { deleteWorktreeFiles, findAdmin } from '../worktree-admin.js';

/**
 * Makes a tree at a commit, in a repository of its own that borrows the mirror's objects: checks run in it what the
 * branch brings along, and nothing of that leads into the mirror. What stands at the path is removed first: there is
 * never anybody's work in a scratch tree.
 * @param options.merging commits that will be merged there.
 * @throws GitError
 */
export async function makeScratch(
  mirror: string,
  path: string,
  at: string,
  signal?: AbortSignal,
  { merging = [] }: { merging?: readonly string[] } = {},
): Promise<void> {
  checkedPath(path);
  checkedSha(at);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await withMirror(mirror, signal, async () => {
    await deleteWorktreeFiles(path, await findAdmin(mirror, path));
    await makeRepository(join(path, '.git'), { vault: mirror, head: at, refs: {} }, signal);
  });
  // The files outside of the lock: a large tree must not hold up the starts of agents.
  await provideContents(mirror, join(path, '.git'), [at, ...merging], signal);
  await runGit({ worktree: path }, ['reset', '--quiet', '--hard', at], { doing: 'making the scratch tree', signal });
}

/**
 * Brings a commit that was made in a scratch tree into the mirror, before anything foreign runs in that tree.
 * @throws GitError
 */
export const handOver = (mirror: string, path: string, sha: string, signal?: AbortSignal): Promise<void> =>
  bringIntoVault(
    { repository: path, vault: mirror },
    { sha, ref: mergingRef(path), doing: 'keeping the merged commit', signal },
  );

/**
 * Fills the submodules of a scratch tree at its HEAD, before anything foreign runs in it.
 * @returns the folders of objects that its repository borrows.
 * @throws GitError
 */
export async function fillTree({
  repo,
  mirrors,
  tree,
  signal,
}: {
  repo: string;
  mirrors: string;
  tree: string;
  signal?: AbortSignal | undefined;
}): Promise<string[]> {
  const { stdout } = await runGit({ worktree: tree }, ['rev-parse', '--verify', 'HEAD'], {
    doing: 'looking at the merged commit',
    signal,
  });
  await fillSubmodules({ tree, vault: mirrorPath(mirrors, repo), repo: checkedRepo(repo), at: stdout.trim(), signal });
  return borrowsOfFreshTree(tree);
}

const mergingRef = (path: string): string =>
  `refs/heartbead-merging/${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;

/** Removes a scratch tree and what the mirror has for it. Nothing may be running in it any more. */
export async function removeScratch(mirror: string, path: string): Promise<void> {
  await withMirror(mirror, undefined, async () => {
    await deleteWorktreeFiles(checkedPath(path), await findAdmin(mirror, path));
    const ref = mergingRef(path);
    if (await exists(join(mirror, ref)))
      await runGit({ mirror }, ['update-ref', '-d', '--end-of-options', ref], { doing: `removing ${ref}` });
  });
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
        const known = (await findAdmin(mirror, path)) !== undefined || (await exists(join(mirror, mergingRef(path))));
        if (known) await removeScratch(mirror, path);
      }
      // Its mirror is gone, or never got an entry.
      await deleteWorktreeFiles(path, undefined);
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
