import { hasCommit } from '../commits.js';
import { remoteRefs } from '../remote-refs.js';
import { updateMirror } from '../update-mirror.js';
import { isAncestor } from '../commits.js';

/**
 * Reads the remote back: is a commit on a branch there, whatever has come on top of it since?
 * @throws GitError when the remote could not be asked.
 */
export async function isOnRemote(
  { repo, mirrors, mirror }: { repo: string; mirrors: string; mirror: string },
  branch: string,
  sha: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const ref = `refs/heads/${branch}`;
  const found = (await remoteRefs(repo, [ref], `reading ${branch} back`, signal)).refs.get(ref);
  if (found === undefined) return false;
  if (found === sha) return true;
  await updateMirror({ root: mirrors, repo, signal });
  // What the remote has lost again by now was moved once more: the next look tells.
  if (!(await hasCommit({ mirror }, found, signal)) || !(await hasCommit({ mirror }, sha, signal))) return false;
  return isAncestor({ mirror }, sha, found, signal);
}
