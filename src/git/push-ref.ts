import { gitFailure } from './git-failure.js';
import { uploadContents } from './lfs/upload.js';
import { runGit } from './run-git.js';

/** A commit and the full name of the attempt's own ref that is to stand at it. */
export interface PushedRef {
  sha: string;
  /** Overwritten there, since no one else writes it. */
  ref: string;
  /** Where it has to stand for that, or `nothing`; wherever it stands when absent. */
  from?: string;
}

export interface PushOptions {
  /** URL or path. */
  remote: string;
  /** All of them or none. */
  refs: readonly PushedRef[];
  doing: string;
  signal?: AbortSignal | undefined;
  /** False for a remote that has said that it knows no transactions. */
  atomic?: boolean;
}

/**
 * Pushes commits of a vault to the attempt's own refs, in one transaction where the remote knows them; first the
 * contents of their files in Git LFS.
 * @throws GitError
 */
export async function pushOwnRefs(vault: string, options: PushOptions): Promise<void> {
  const { remote, refs, doing, signal } = options;
  await uploadContents(vault, remote, [...new Set(refs.map(({ sha }) => sha))], signal);
  const args = [
    'push',
    '--porcelain',
    '--progress',
    '--no-verify',
    '--no-signed',
    '--no-follow-tags',
    '--recurse-submodules=no',
    ...(refs.length > 1 && options.atomic !== false ? ['--atomic'] : []),
    ...refs.flatMap(({ ref, from }) =>
      from === undefined ? [] : [`--force-with-lease=${ref}:${from === 'nothing' ? '' : from}`],
    ),
    '--end-of-options',
    remote,
    // A plus would outdo the lease.
    ...refs.map(({ sha, ref, from }) => `${from === undefined ? '+' : ''}${sha}:${ref}`),
  ];
  const { code, stdout, stderr } = await runGit({ mirror: vault }, args, {
    doing,
    repo: remote,
    signal,
    limit: 'transfer',
    accept: [0, 1, 128],
  });
  if (code === 0) return;
  if (/does not support --atomic push/.test(stderr)) return pushOwnRefs(vault, { ...options, atomic: false });
  // Why a ref was refused stands in the table on stdout, the remote's own words on stderr.
  const refused = stdout
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.replaceAll('\t', ' '));
  throw gitFailure({ doing, repo: remote }, [...refused, stderr].join('\n'));
}
