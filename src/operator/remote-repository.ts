import { branchProblem } from '../contract/index.js';
import { GitError } from '../git/git-error.js';
import { remoteRefs } from '../git/remote-refs.js';
import { firstOf } from '../domain/words.js';
import { usageError } from './cli-error.js';

/** A person waits for it, who may be on a machine that does not reach the repository at all. Milliseconds. */
const answersWithin = 10_000;

/**
 * Asks a repository for its branches, so that a name that is wrong is told before a bead is slung at it.
 * @param base the branch that beads are to start from; the repository's default branch when absent.
 * @returns what a person should know when it did not answer: only hosts have to reach it.
 * @throws CliError (usage) when it answers, and beads could not start from it.
 */
export async function requireBase(
  repo: string,
  base: string | undefined,
  within = answersWithin,
): Promise<string | undefined> {
  // What is no name of a branch is refused by whoever takes it.
  if (base !== undefined && branchProblem(base) !== undefined) return undefined;
  const limit = AbortSignal.timeout(within);
  try {
    const { refs, head } = await remoteRefs(repo, ['HEAD', 'refs/heads/*'], 'looking for its branches', limit);
    const branches = [...refs.keys()].flatMap((ref) => (ref === 'HEAD' ? [] : [ref.slice('refs/heads/'.length)]));
    const there = `it has ${firstOf(branches, 5)}`;
    if (branches.length === 0)
      throw usageError(`${repo} has no branch with a commit yet`, 'push a first commit to it, then try again');
    if (base !== undefined && !refs.has(`refs/heads/${base}`))
      throw usageError(`${repo} has no branch ${JSON.stringify(base)}`, `correct --base: ${there}`);
    if (base === undefined && (head === undefined || !refs.has(head)))
      throw usageError(`${repo} does not say which branch is its default one`, `name it with --base: ${there}`);
    return undefined;
  } catch (error) {
    if (!(error instanceof GitError) && error !== limit.reason) throw error;
    const why = error instanceof GitError ? error.message : `it did not answer within ${within / 1_000} s`;
    return `nobody could see from here what branches ${repo} has, and hosts have to reach it: ${why}`;
  }
}
