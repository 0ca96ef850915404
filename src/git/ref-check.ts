import { refNames } from '../contract/index.js';
import { bothSettled } from './both-settled.js';
import { GitError } from './git-error.js';
import { gitFailure } from './git-failure.js';
import { checkedIds, checkedRepo, checkedSha } from './git-input.js';
import { readMirrorRefs, tracking } from './mirror-refs.js';
import type { MirrorRefs } from './mirror-refs.js';
import { askLimit, runGit } from './run-git.js';

/**
 * Finds out, before anybody is paid, whether the attempt's branch can be written on the remote at all: that no branch
 * stands where it needs a folder, and that the remote lets this user push. Rules of the remote about names and commits
 * show only with a push.
 * @param mirror - an updated one.
 * @param known - its refs, where the caller has them.
 * @throws GitError that says what has to change.
 */
export async function checkRefWritable(
  mirror: string,
  {
    repo,
    bead,
    attempt,
    sha,
    refPrefix,
    known,
  }: {
    repo: string;
    bead: string;
    attempt: string;
    sha: string;
    refPrefix?: string | undefined;
    known?: MirrorRefs | undefined;
  },
  signal?: AbortSignal,
): Promise<void> {
  checkedIds(bead, attempt);
  const names = refNames(refPrefix);
  const branch = names.branch(bead, attempt);
  await bothSettled(
    noBranchAbove(mirror, branch, known, signal),
    dryPush(mirror, { repo, sha, ref: names.branchRef(bead, attempt) }, signal),
  );
}

/** A branch `heartbead` leaves no room for a branch `heartbead/BEAD/ATTEMPT`. */
async function noBranchAbove(
  mirror: string,
  branch: string,
  known: MirrorRefs | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { refs } = known ?? (await readMirrorRefs(mirror, { signal }));
  const parts = branch.split('/').slice(0, -1);
  const found = parts.map((_, n) => parts.slice(0, n + 1).join('/')).find((above) => refs.has(`${tracking}${above}`));
  if (found !== undefined)
    throw new GitError(
      'rejected',
      `the remote has a branch ${found}, so that none can be called ${branch}: rename or delete that branch there`,
    );
}

async function dryPush(
  mirror: string,
  { repo, sha, ref }: { repo: string; sha: string; ref: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const doing = 'looking whether the branch can be pushed';
  const args = ['push', '--dry-run', '--porcelain', '--no-verify', '--no-signed', '--no-follow-tags'];
  const { code, stdout, stderr } = await runGit(
    { mirror },
    [...args, '--recurse-submodules=no', '--end-of-options', checkedRepo(repo), `+${checkedSha(sha)}:${ref}`],
    { doing, repo, signal, limit: askLimit, accept: [0, 1, 128] },
  );
  if (code !== 0) throw gitFailure({ doing, repo }, [stdout, stderr].join('\n'));
}
