import { refNames } from '../contract/index.js';
import { commitOf } from './commits.js';
import { GitError } from './git-error.js';
import { gitFailure } from './git-failure.js';
import { checkedIds, checkedRepo, checkedSha } from './git-input.js';
import { askLimit, runGit } from './run-git.js';

/**
 * Finds out, before anybody is paid, whether the attempt's branch can be written on the remote at all: that no branch
 * stands where it needs a folder, and that the remote lets this user push. Rules of the remote about names and commits
 * show only with a push.
 * @param mirror - an updated one.
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
  }: { repo: string; bead: string; attempt: string; sha: string; refPrefix?: string | undefined },
  signal?: AbortSignal,
): Promise<void> {
  checkedIds(bead, attempt);
  const names = refNames(refPrefix);
  const branch = names.branch(bead, attempt);
  for (let end = branch.indexOf('/'); end > 0; end = branch.indexOf('/', end + 1)) {
    const above = branch.slice(0, end);
    if ((await commitOf({ mirror }, `refs/remotes/origin/${above}`, signal)) !== undefined)
      throw new GitError(
        'rejected',
        `the remote has a branch ${above}, so that none can be called ${branch}: rename or delete that branch there`,
      );
  }
  const doing = 'looking whether the branch can be pushed';
  const args = ['push', '--dry-run', '--porcelain', '--no-verify', '--no-signed', '--no-follow-tags'];
  const ref = names.branchRef(bead, attempt);
  const { code, stdout, stderr } = await runGit(
    { mirror },
    [...args, '--recurse-submodules=no', '--end-of-options', checkedRepo(repo), `+${checkedSha(sha)}:${ref}`],
    { doing, repo, signal, limit: askLimit, accept: [0, 1, 128] },
  );
  if (code !== 0) throw gitFailure({ doing, repo }, [stdout, stderr].join('\n'));
}
