import { GitError } from '../git-error.js';
import { remoteRefs } from '../remote-refs.js';
import { uploadContents } from '../lfs/upload.js';
import { isAncestor } from '../commits.js';
import { secureMirror } from '../secure-mirror.js';
import { mergedRef } from './merge-record.js';
import { pushRefs } from './push-refs.js';
import type { LeasedRef } from './push-refs.js';
import type { Ground } from './survey.js';
import type { MergeContext } from './types.js';

export type Pushed =
  | { kind: 'pushed' }
  /** Target or marker are no longer where they were: from the top. */
  | { kind: 'moved' }
  | { kind: 'refused'; reason: string };

/**
 * Brings the merged commit onto the target, together with the marker in one transaction: the marker is there exactly
 * when the merge is. A lease on the commits that were seen keeps anybody else's push from being overwritten; it is a
 * fast-forward in any case.
 *
 * A remote that cannot do transactions, or does not take our marker, gets the target alone: then the trailers of the
 * commit (or its own ancestry) are the record, and the marker follows if it can.
 * @throws GitError
 */
export async function pushMerge(
  { repo, item, refPrefix, say, warn, observe }: MergeContext,
  ground: Ground,
  sha: string,
): Promise<Pushed> {
  const { mirror } = ground;
  if (!(await isAncestor({ mirror }, ground.target, sha)))
    throw new GitError(
      'other',
      `the merged commit ${sha} does not descend from ${ground.target}, so it is not pushed: retry the merge`,
    );
  const target: LeasedRef = { ref: `refs/heads/${item.target}`, sha, expected: ground.target };
  const marker: LeasedRef = { ref: mergedRef(item, refPrefix), sha, expected: ground.marker };
  const doing = `pushing ${item.target}`;
  say(doing);
  await observe('pushing');
  // The checks may have taken an hour.
  await secureMirror(mirror, repo);
  // Its agent's runner has uploaded them; but a branch may have come here in another way.
  await uploadContents(mirror, repo, [sha], undefined, ground.target);

  const both = await pushRefs(mirror, repo, [target, marker], doing);
  if (both.kind === 'pushed') {
    await observe('pushed');
    await observe('recorded');
    return { kind: 'pushed' };
  }
  if (both.kind === 'not-taken' && (await moved(both.said))) return { kind: 'moved' };

  const alone = await pushRefs(mirror, repo, [target], doing);
  if (alone.kind === 'not-atomic')
    throw new GitError(
      'other',
      `the remote asks for no transaction where none was wanted: look at its configuration (receive.advertiseAtomic)`,
    );
  if (alone.kind === 'not-taken')
    return (await moved(alone.said)) ? { kind: 'moved' } : { kind: 'refused', reason: alone.reason };
  await observe('pushed');
  if (both.kind === 'not-atomic') await mark();
  else
    warn(
      `the remote does not take ${marker.ref} (${both.reason}): the merge is recorded in its commit only`,
      undefined,
    );
  await observe('recorded');
  return { kind: 'pushed' };

  /**
   * Whether a lease did not hold. The remote is asked: words differ from server to server, and a broken lease may look
   * like a refusal.
   */
  async function moved(said: string): Promise<boolean> {
    const { refs } = await remoteRefs(repo, [target.ref, marker.ref], 'looking why the push was not taken');
    if (refs.get(target.ref) !== target.expected || refs.get(marker.ref) !== marker.expected) return true;
    // Somebody else's push was under way over there at that moment.
    return /cannot lock ref|failed to update ref|\.lock/i.test(said);
  }

  async function mark(): Promise<void> {
    try {
      const answer = await pushRefs(mirror, repo, [marker], 'recording the merge');
      if (answer.kind === 'not-taken')
        warn(
          `the remote does not take ${marker.ref} (${answer.reason}): the merge is recorded in its commit only`,
          undefined,
        );
    } catch (error) {
      // The merge is there and can be recognised by its commit: no reason to report anything else.
      warn('the marker of a merge could not be pushed: the merge is recorded in its commit only', error);
    }
  }
}
