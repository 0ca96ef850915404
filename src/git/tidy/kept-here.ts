import { runGit } from '../run-git.js';

/** What a mirror keeps for beads: saves, finished commits, what was found in trees that went. */
export interface KeptHere {
  refs: number;
  /** What the disk has of objects that none of the remote's branches and tags reaches. */
  bytes: number;
}

/**
 * @param limit milliseconds.
 * @throws GitError, also when the time is over.
 */
export async function keptHere(mirror: string, limit: number, signal?: AbortSignal): Promise<KeptHere> {
  const task = { doing: 'measuring what a mirror keeps for beads', signal, limit };
  const { stdout: refs } = await runGit({ mirror }, ['for-each-ref', '--format=%(refname)', ...ours], task);
  const count = refs.split('\n').filter((ref) => ref !== '').length;
  if (count === 0) return { refs: 0, bytes: 0 };
  const { stdout } = await runGit(
    { mirror },
    [
      'rev-list',
      '--objects',
      '--disk-usage',
      ...ours.map((prefix) => `--glob=${prefix}*`),
      '--not',
      '--glob=refs/remotes/origin/*',
      '--glob=refs/tags/*',
    ],
    task,
  );
  return { refs: count, bytes: Number(stdout.trim()) };
}

const ours = ['refs/heartbead/', 'refs/heartbead-finished/', 'refs/heartbead-pushed/', 'refs/heartbead-kept/'];
