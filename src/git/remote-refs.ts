import { GitError } from './git-error.js';
import { askLimit, runGit } from './run-git.js';

export interface RemoteRefs {
  /**
   * Full ref name → commit. Look names up in full: git also finds `refs/evil/refs/heads/x` when asked for
   * `refs/heads/x`.
   */
  refs: Map<string, string>;
  /** What the remote's HEAD points to, as `refs/heads/main`; absent when it is detached, unborn or not asked for. */
  head?: string;
}

/**
 * Asks the remote itself (`git ls-remote`). An empty answer is an answer; anything that git calls an error is thrown,
 * so that an unreachable remote is never taken for one without the branch.
 * @param patterns full names (`refs/heads/x`, `HEAD`) or `refs/heads/*`.
 * @throws GitError
 */
export async function remoteRefs(
  repo: string,
  patterns: readonly string[],
  doing: string,
  signal?: AbortSignal,
): Promise<RemoteRefs> {
  const { stdout } = await runGit('nowhere', ['ls-remote', '--symref', '--end-of-options', repo, ...patterns], {
    doing,
    repo,
    signal,
    limit: askLimit,
  });
  const refs = new Map<string, string>();
  let head: string | undefined;
  for (const line of stdout.split('\n')) {
    if (line === '') continue;
    const [value, name] = line.split('\t');
    if (value === undefined || name === undefined)
      throw new GitError(
        'other',
        `while ${doing}, the remote gave an answer that cannot be read: ${JSON.stringify(line)}`,
      );
    if (value.startsWith('ref: ')) {
      if (name === 'HEAD') head = value.slice('ref: '.length);
    } else refs.set(name, value);
  }
  return head === undefined ? { refs } : { refs, head };
}
