import { hasCommit } from './commits.js';
import { checkedSha } from './git-input.js';
import { runGit } from './run-git.js';

/** No program of a repository's configuration takes part: neither a diff driver nor a text conversion. */
export const diffOptions = ['--no-ext-diff', '--no-textconv', '--no-color', '--no-renames', '--end-of-options'];

/** @returns what a commit of a mirror has changed against another one; undefined when one of them is not there. */
export async function commitDiff(
  mirror: string,
  { base, head }: { base: string; head: string },
  signal?: AbortSignal,
): Promise<string | undefined> {
  const ends = [checkedSha(base), checkedSha(head)];
  for (const sha of ends) if (!(await hasCommit({ mirror }, sha, signal))) return undefined;
  const { stdout } = await runGit({ mirror }, ['diff', ...diffOptions, ...ends, '--'], {
    doing: 'looking at the changes',
    signal,
  });
  return stdout;
}
