/**
 * The oldest git that Heartbead is tested with, which has all that is used here; the oldest version in a distribution
 * of today (Ubuntu 22.04).
 */
export const oldestGit = '2.34';

/** @returns what an old git costs, or undefined when it is new enough. @param version as in `2.39.5`. */
export function gitVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const before = (wanted: number): boolean => major < 2 || (major === 2 && minor < wanted);
  if (before(30)) return 'beads may not start with it: `git worktree` and fetches lack options that are used';
  // `git repack --geometric`.
  if (before(32)) return 'mirrors are never packed with it, so each grows and gets slower with every start of a bead';
  return before(34) ? 'versions before 2.34 are not tested' : undefined;
}
