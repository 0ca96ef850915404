import { runGit } from './run-git.js';
import type { GitPlace } from './run-git.js';
import { signoffOf } from './signoff.js';

/** The trailer by which a snapshot of uncommitted work is told from a commit of the agent's. */
export const wipTrailer = 'Heartbead-Wip';

/** Snapshots are Heartbead's, not a person's: they also work where nobody has configured an identity. */
export const ownIdentity = {
  GIT_AUTHOR_NAME: 'Heartbead',
  GIT_AUTHOR_EMAIL: 'heartbead@localhost',
  GIT_COMMITTER_NAME: 'Heartbead',
  GIT_COMMITTER_EMAIL: 'heartbead@localhost',
};

/** For remotes that take no commit without one (DCO); it names the author of the commit, as they want it. */
export const ownSignoff = signoffOf(ownIdentity);

/** Makes a commit of a tree without touching any branch, index or working tree. @returns its id. */
export async function commitTree(
  place: GitPlace,
  {
    tree,
    parent,
    subject,
    attempt,
    signoff = false,
    signal,
  }: {
    tree: string;
    parent?: string | undefined;
    subject: string;
    attempt: string;
    signoff?: boolean | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<string> {
  const args = ['commit-tree', '--no-gpg-sign', ...(parent === undefined ? [] : ['-p', parent]), tree];
  const { stdout } = await runGit(place, args, {
    doing: 'saving work in progress',
    signal,
    env: ownIdentity,
    input: `${subject}\n\n${wipTrailer}: ${attempt}\n${signoff ? `${ownSignoff}\n` : ''}`,
  });
  return stdout.trim();
}

/** @returns whether a commit is a snapshot of uncommitted work. */
export async function isWip(place: GitPlace, sha: string, signal?: AbortSignal): Promise<boolean> {
  const { stdout } = await runGit(
    place,
    ['log', '-1', '--no-show-signature', `--format=%(trailers:key=${wipTrailer},valueonly)`, '--end-of-options', sha],
    { doing: `reading commit ${sha}`, signal },
  );
  return stdout.trim() !== '';
}
