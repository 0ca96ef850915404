import { attemptNumber, readAttemptRef } from '../contract/index.js';
import type { Checkpoint } from '../contract/index.js';
import { checkedIds } from './git-input.js';
import { runGit } from './run-git.js';
import { isWip } from './wip-commit.js';

/**
 * A save gets to the remote only when the remote takes it; on its own host it is there in any case. So the newest save
 * of an earlier attempt here may be ahead of the checkpoint that the bead knows, or be the only one.
 * @param attempt - the one that is about to begin.
 * @param checkpoint - what the bead knows.
 * @returns the newest save on this host when it is newer than the checkpoint; undefined when the checkpoint is as good.
 * @throws GitError
 */
export async function newerLocalSave(
  mirror: string,
  { bead, attempt, checkpoint }: { bead: string; attempt: string; checkpoint?: Checkpoint | undefined },
  signal?: AbortSignal,
): Promise<Checkpoint | undefined> {
  checkedIds(bead, attempt);
  const { stdout } = await runGit(
    { mirror },
    ['for-each-ref', '--format=%(refname) %(objectname)', `refs/heartbead/${bead}/`],
    { doing: 'looking for saves of earlier attempts', signal },
  );
  const saves = stdout
    .split('\n')
    .map((line) => /^(refs\/heartbead\/[^/]+\/([^/ ]+)\/wip) ([0-9a-f]+)$/.exec(line))
    .filter((found) => found !== null)
    .map(([, ref = '', of = '', sha = '']) => ({ ref, of, sha }))
    .filter(({ of }) => attemptNumber(of) < attemptNumber(attempt))
    .sort((a, b) => attemptNumber(b.of) - attemptNumber(a.of));
  const newest = saves[0];
  if (newest === undefined || newest.sha === checkpoint?.sha) return undefined;
  const known = readAttemptRef(checkpoint?.ref ?? '')?.attempt;
  if (known !== undefined && attemptNumber(known) > attemptNumber(newest.of)) return undefined;
  // A branch of that attempt is what was finished; a save beside it holds no more than what was lying about.
  if (known === newest.of && checkpoint?.ref.endsWith('/wip') !== true) return undefined;
  return { sha: newest.sha, ref: newest.ref, wip: await isWip({ mirror }, newest.sha, signal) };
}
