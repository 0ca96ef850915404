import { hasCommit } from '../commits.js';
import { GitError } from '../git-error.js';
import { checkedBranch, checkedRepo } from '../git-input.js';
import { remoteRefs } from '../remote-refs.js';
import { resolveBase } from '../resolve-base.js';
import { updateMirror } from '../update-mirror.js';
import { shaProblem } from '../../contract/index.js';
import { pushRefs } from './push-refs.js';

export interface EnsureBranchOptions {
  /** The folder of the mirrors. */
  mirrors: string;
  /** URL or path. */
  repo: string;
  branch: string;
  /** Where it begins: a branch of the remote or a full commit id; the remote's default branch when absent. */
  from?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Makes sure that a branch exists on the remote. One that is there is left where it is, whatever has landed on it; of
 * two callers one makes it.
 * @returns where it stands, and whether this call has made it.
 * @throws GitError
 */
export async function ensureBranch({
  mirrors,
  repo: given,
  branch,
  from,
  signal,
}: EnsureBranchOptions): Promise<{ branch: string; sha: string; created: boolean }> {
  const repo = checkedRepo(given);
  const ref = `refs/heads/${checkedBranch(branch)}`;
  const find = async (): Promise<string | undefined> =>
    (await remoteRefs(repo, [ref], `looking for branch ${branch}`, signal)).refs.get(ref);
  const there = await find();
  if (there !== undefined) return { branch, sha: there, created: false };

  const { path: mirror } = await updateMirror({ root: mirrors, repo, signal });
  const sha = await startOf(mirror, from, signal);
  const pushed = await pushRefs(mirror, repo, [{ ref, sha }], `making branch ${branch}`);
  const found = await find();
  if (found !== undefined) return { branch, sha: found, created: pushed.kind === 'pushed' && pushed.changed };
  throw new GitError(
    'rejected',
    `the remote does not take branch ${branch}${pushed.kind === 'not-taken' ? ` (${pushed.reason})` : ''}: ` +
      'allow it there, or name another one',
  );
}

async function startOf(mirror: string, from: string | undefined, signal: AbortSignal | undefined): Promise<string> {
  if (from === undefined || shaProblem(from) !== undefined) return (await resolveBase(mirror, from)).sha;
  if (await hasCommit({ mirror }, from, signal)) return from;
  throw new GitError('no_such_ref', `commit ${from} is on no branch of the remote: name a branch, or a commit of one`);
}
