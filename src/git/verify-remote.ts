import { refNames } from '../contract/index.js';
import type { Evidence } from '../contract/index.js';
import { hasCommit, mergeBase, treeOf } from './commits.js';
import { ensureCommit } from './ensure-commit.js';
import { GitError } from './git-error.js';
import { checkedBranch, checkedRepo, checkedSha } from './git-input.js';
import { exists } from './files.js';
import { markDamaged } from './mirror-damage.js';
import { mirrorPath } from './mirror-path.js';
import { remoteRefs } from './remote-refs.js';
import { resolveBase } from './resolve-base.js';
import { runGit } from './run-git.js';
import { updateMirror } from './update-mirror.js';
import type { UpdateMirrorOptions } from './update-mirror.js';
import { vouchProblem } from './vouch.js';

export interface VerifyRemoteOptions extends UpdateMirrorOptions {
  /** Branch it started from; the remote's default branch when absent. Used when `baseSha` is unknown. */
  base?: string | undefined;
  /** Commit that the bead's work started from. */
  baseSha?: string | undefined;
  branch: string;
  /** Commit that was reported; when absent, only one counts that the attempt's runner has vouched for. */
  sha?: string | undefined;
  /** Whose word counts for work that nobody has reported. `key` is absent when no runner has ever told one. */
  runner?: { bead: string; attempt: string; key?: string | undefined } | undefined;
}

/**
 * Looks at the remote itself for the work of an attempt: is the branch there, at the reported commit, ahead of its
 * base, with a changed tree? A branch that nobody has reported counts only with its runner's signature. Every question
 * that git could not answer is an error; only answers are verdicts.
 * @throws GitError
 */
export async function verifyRemote(options: VerifyRemoteOptions): Promise<Evidence> {
  const { root, base, baseSha, sha, signal } = options;
  const repo = checkedRepo(options.repo);
  const branch = checkedBranch(options.branch);
  for (const given of [sha, baseSha]) if (given !== undefined) checkedSha(given);
  if (base !== undefined) checkedBranch(base);

  const ref = `refs/heads/${branch}`;
  const { runner } = options;
  // Both stand below one prefix, which the name of the branch tells.
  const prefix = runner && branch.slice(0, -`/${runner.bead}/${runner.attempt}`.length);
  const doneRef = runner && refNames(prefix).done(runner.bead, runner.attempt);
  const asked = doneRef === undefined ? [ref] : [ref, doneRef];
  const { refs } = await remoteRefs(repo, asked, `looking for branch ${branch}`, signal);
  const found = refs.get(ref);
  if (found === undefined) return { verdict: 'missing', reason: `there is no branch ${branch} on the remote` };
  if (sha !== undefined && found !== sha) {
    return {
      verdict: 'differs',
      reason: `branch ${branch} on the remote is at ${found}, not at the reported commit ${sha}`,
      found,
    };
  }

  const mirror = mirrorPath(root, repo);
  if (!(await exists(mirror))) await updateMirror(options);
  const look = async (): Promise<Evidence> => {
    const evidence = await measure(mirror, { ...options, repo }, found);
    if (sha !== undefined || evidence.verdict !== 'verified') return evidence;
    const unvouched =
      runner === undefined || doneRef === undefined
        ? 'nobody has reported it'
        : await vouchProblem(
            mirror,
            repo,
            { key: undefined, ...runner, sha: found, marker: refs.get(doneRef), ref: doneRef },
            signal,
          );
    if (unvouched === undefined) return evidence;
    return { verdict: 'unvouched', reason: `branch ${branch} is on the remote, but ${unvouched}`, found };
  };
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof GitError) || !error.damaged) throw error;
    // Nothing else may come by to notice: a host that only verifies starts no bead of this repository.
    await markDamaged(mirror, error);
    await updateMirror(options);
    return await look();
  }
}

/** Compares what the remote has at the branch with where the work started. */
async function measure(mirror: string, options: VerifyRemoteOptions, found: string): Promise<Evidence> {
  const { branch, repo, signal } = options;
  const ref = `refs/heads/${branch}`;
  const checkpoint = await ensureCommit(mirror, repo, { sha: found, ref, wip: false }, { signal });
  if (checkpoint.sha !== found)
    return {
      verdict: 'differs',
      reason: `branch ${branch} on the remote moved to ${checkpoint.sha} while it was verified`,
      found: checkpoint.sha,
    };

  const from = await startOf(mirror, found, options);
  if (from.unrelated)
    return {
      verdict: 'unrelated',
      reason: `branch ${branch} has no commit in common with ${from.name}: it cannot be a change of it`,
      found,
    };
  const ahead = Number(
    (
      await runGit({ mirror }, ['rev-list', '--count', '--end-of-options', `${from.sha}..${found}`], {
        doing: 'counting commits',
        signal,
      })
    ).stdout.trim(),
  );
  if (!Number.isInteger(ahead))
    throw new GitError(
      'other',
      `git did not say how many commits ${branch} is ahead of ${from.sha}: run \`git rev-list --count\` in ${mirror}`,
    );
  if (ahead === 0) return { verdict: 'no_changes', reason: `branch ${branch} has no commit ahead of ${from.name}` };
  if ((await treeOf({ mirror }, from.sha, signal)) === (await treeOf({ mirror }, found, signal))) {
    return {
      verdict: 'no_changes',
      reason:
        `branch ${branch} has ${ahead} commit${ahead === 1 ? '' : 's'} ahead of ${from.name}, but all files are ` +
        'as they were there',
    };
  }
  return { verdict: 'verified', branch, sha: found, baseSha: from.sha, ahead };
}

/** @returns the commit that the work is measured from: the recorded one, else where the branch left its base. */
async function startOf(
  mirror: string,
  tip: string,
  options: VerifyRemoteOptions,
): Promise<{ sha: string; name: string; unrelated: boolean }> {
  const { baseSha, base, repo, signal } = options;
  const place = { mirror };
  const recorded = baseSha === undefined ? undefined : { sha: baseSha, name: `its start ${baseSha}` };
  const known = async (): Promise<boolean> => recorded !== undefined && (await hasCommit(place, recorded.sha, signal));
  if (!(await known())) await updateMirror({ ...options, repo });
  if (recorded !== undefined && (await known()))
    return { ...recorded, unrelated: (await mergeBase(place, recorded.sha, tip, signal)) === undefined };
  // The recorded start is on no branch any more (the base was rewritten): the base as it is now measures the same.
  const now = await resolveBase(mirror, base);
  const fork = await mergeBase(place, now.sha, tip, signal);
  return { sha: fork ?? now.sha, name: now.branch, unrelated: fork === undefined };
}
