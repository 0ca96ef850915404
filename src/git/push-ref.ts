import { gitFailure } from './git-failure.js';
import { runGit } from './run-git.js';

export interface PushOptions {
  /** URL or path. */
  remote: string;
  sha: string;
  /** Full name of the attempt's own ref; overwritten there, since no one else writes it. */
  ref: string;
  doing: string;
  /** What to do about changed submodules: refuse when their commits are on no remote, or do not look. */
  submodules: 'check' | 'no';
  signal?: AbortSignal | undefined;
}

/** Pushes one commit to one ref. @throws GitError */
export async function pushRef(
  worktree: string,
  { remote, sha, ref, doing, submodules, signal }: PushOptions,
): Promise<void> {
  const args = [
    'push',
    '--porcelain',
    '--progress',
    '--no-verify',
    '--no-signed',
    '--no-follow-tags',
    `--recurse-submodules=${submodules}`,
    '--end-of-options',
    remote,
    `+${sha}:${ref}`,
  ];
  const { code, stdout, stderr } = await runGit({ worktree }, args, {
    doing,
    repo: remote,
    signal,
    limit: 'transfer',
    accept: [0, 1],
  });
  if (code === 0) return;
  // Why a ref was refused stands in the table on stdout, the remote's own words on stderr.
  const refused = stdout
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.replaceAll('\t', ' '));
  throw gitFailure({ doing, repo: remote }, [...refused, stderr].join('\n'));
}
