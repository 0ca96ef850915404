import { isAbsolute, resolve } from 'node:path';
import { attemptIdProblem, beadIdProblem, branchProblem, repoProblem, shaProblem } from '../contract/index.js';
import { GitError } from './git-error.js';

/** Refuses input before git is run: what looks like an option or runs a command must never reach a command line. */
const refuse = (problem: string | undefined, then: string): void => {
  if (problem !== undefined) throw new GitError('bad_input', `${problem}: ${then}`);
};

/**
 * @returns the repository as git gets it: a relative path is made absolute, since the agent's worktree is elsewhere.
 * @throws GitError `bad_input`
 */
export function checkedRepo(repo: string): string {
  refuse(repoProblem(repo), 'correct the repository of the bead');
  return repo.startsWith('.') ? resolve(repo) : repo;
}

/** @throws GitError `bad_input` */
export function checkedBranch(branch: string): string {
  refuse(branchProblem(branch), 'name another branch');
  return branch;
}

/** @throws GitError `bad_input` */
export function checkedSha(sha: string): string {
  refuse(shaProblem(sha), 'give the full id of a commit');
  return sha;
}

/** @returns a full ref name, `refs/…`. @throws GitError `bad_input` */
export function checkedRef(ref: string): string {
  if (!ref.startsWith('refs/'))
    throw new GitError('bad_input', `a ref begins with refs/, this one does not: ${JSON.stringify(ref)}`);
  return checkedBranch(ref);
}

/** @throws GitError `bad_input` */
export function checkedIds(bead: string, attempt: string): void {
  refuse(beadIdProblem(bead), 'correct the id of the bead');
  refuse(attemptIdProblem(attempt), 'correct the id of the attempt');
}

/** @returns the path. @throws GitError `bad_input` */
export function checkedPath(path: string): string {
  if (!isAbsolute(path) || path.includes('\0'))
    throw new GitError('bad_input', `a worktree needs an absolute path, this is none: ${JSON.stringify(path)}`);
  return path;
}
