import { GitError } from './git-error.js';
import { runGit } from './run-git.js';

/**
 * `git repack --geometric` (2.32) and all else that is used here; the oldest version in a distribution of today (Ubuntu
 * 22.04).
 */
const oldest = [2, 34] as const;

/** @returns what is wrong with the git of this host and what to do, or undefined. */
export async function gitProblem(): Promise<string | undefined> {
  try {
    const { stdout } = await runGit('nowhere', ['version'], { doing: 'asking for its version' });
    const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout) ?? [];
    const enough = Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1]);
    return enough ? undefined : `${stdout.trim()} is too old: install git ${oldest.join('.')} or newer`;
  } catch (error) {
    if (error instanceof GitError) return error.message;
    throw error;
  }
}
