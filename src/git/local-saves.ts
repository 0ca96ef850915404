import { attemptNumber, readAttemptRef } from '../contract/index.js';
import type { Checkpoint } from '../contract/index.js';
import { checkedIds } from './git-input.js';
import { readMirrorRefs, savesOf } from './mirror-refs.js';
import type { MirrorRefs } from './mirror-refs.js';
import { isWip } from './wip-commit.js';

/**
 * A save gets to the remote only when the remote takes it; on its own host it is there in any case. So the newest save
 * of an earlier attempt here may be ahead of the checkpoint that the bead knows, or be the only one.
 * @param attempt - the one that is about to begin.
 * @param checkpoint - what the bead knows.
 * @returns the newest save on this host when it is newer than the checkpoint; undefined when the checkpoint is as good.
 * @param known - the mirror's refs with the bead's saves, where the caller has them.
 * @throws GitError
 */
export async function newerLocalSave(
  mirror: string,
  { bead, attempt, checkpoint }: { bead: string; attempt: string; checkpoint?: Checkpoint | undefined },
  { signal, known }: { signal?: AbortSignal | undefined; known?: MirrorRefs | undefined } = {},
): Promise<Checkpoint | undefined> {
  checkedIds(bead, attempt);
  const { refs } = known ?? (await readMirrorRefs(mirror, { bead, signal }));
  const saves = [...refs]
    .filter(([ref]) => ref.startsWith(savesOf(bead)))
    .map(([ref, sha]) => ({ ref, of: /^([^/]+)\/wip$/.exec(ref.slice(savesOf(bead).length))?.[1] ?? '', sha }))
    .filter(({ of }) => of !== '')
    .filter(({ of }) => attemptNumber(of) < attemptNumber(attempt))
    .sort((a, b) => attemptNumber(b.of) - attemptNumber(a.of));
  const newest = saves[0];
  if (newest === undefined || newest.sha === checkpoint?.sha) return undefined;
  const checkpointOf = readAttemptRef(checkpoint?.ref ?? '')?.attempt;
  if (checkpointOf !== undefined && attemptNumber(checkpointOf) > attemptNumber(newest.of)) return undefined;
  // A branch of that attempt is what was finished; a save beside it holds no more than what was lying about.
  if (checkpointOf === newest.of && checkpoint?.ref.endsWith('/wip') !== true) return undefined;
  return { sha: newest.sha, ref: newest.ref, wip: await isWip({ mirror }, newest.sha, signal) };
}
