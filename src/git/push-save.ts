import { attemptRefs, refNames } from '../contract/index.js';
import { commitOf, hasCommit, isAncestor } from './commits.js';
import { GitError } from './git-error.js';
import { checkedIds, checkedRepo } from './git-input.js';
import { pushOwnRefs } from './push-ref.js';
import type { PushedRef } from './push-ref.js';
import { remoteRefs } from './remote-refs.js';
import { secureMirror } from './secure-mirror.js';

/**
 * Pushes a save of a vault to its attempt's ref, and reads it back from the remote.
 * @throws GitError
 */
export async function pushSave(
  vault: string,
  remote: string,
  save: PushedRef,
  signal: AbortSignal | undefined,
): Promise<void> {
  await pushOwnRefs(vault, { remote, refs: [save], doing: 'pushing work in progress', signal });
  const { sha, ref } = save;
  const found = (await remoteRefs(remote, [ref], 'reading the pushed work back', signal)).refs.get(ref);
  if (found !== sha)
    throw new GitError(
      'rejected',
      `the push of work in progress was accepted, but the remote has ${found ?? 'nothing'} at ${ref}: look ` +
        'for a hook, a mirror or a URL rewrite in front of the remote',
    );
}

export interface PushLastSaveOptions {
  mirror: string;
  /** URL or path of the repository. */
  remote: string;
  bead: string;
  attempt: string;
  /** The commit that the remote has taken for this attempt's ref of saves before; absent when it never took one. */
  pushed?: string | undefined;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Pushes the last save of an attempt that has ended once more, as it lies in this host's mirror, where the remote
 * refused it or did not answer. What the remote had taken and has no more was removed by somebody, and what stands
 * there that is not this attempt's own is newer work: neither is pushed over.
 * @returns undefined when the remote has the save now; else why it was not pushed, in a few words.
 * @throws GitError when the remote does not take it, or could not be asked.
 */
export async function pushLastSave({
  mirror,
  remote: given,
  bead,
  attempt,
  pushed,
  refPrefix,
  signal,
}: PushLastSaveOptions): Promise<string | undefined> {
  checkedIds(bead, attempt);
  const remote = checkedRepo(given);
  const place = { mirror };
  await secureMirror(mirror, remote);
  const sha = await commitOf(place, attemptRefs.wip(bead, attempt), signal);
  if (sha === undefined) return 'this host has no save of it';
  const ref = refNames(refPrefix).wip(bead, attempt);
  const from = (await remoteRefs(remote, [ref], 'looking for the saved work', signal)).refs.get(ref);
  if (from === sha) return undefined;
  if (pushed === sha) return `the remote had taken its last save and has ${from ?? 'nothing'} at ${ref} now`;
  const own =
    from === undefined ||
    from === pushed ||
    ((await hasCommit(place, from, signal)) && (await isAncestor(place, from, sha, signal)));
  if (!own) return `the remote has ${from} at ${ref}, which this attempt has not left there`;
  await pushSave(mirror, remote, { sha, ref, from: from ?? 'nothing' }, signal);
  return undefined;
}
