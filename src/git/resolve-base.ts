import { commitOf } from './commits.js';
import { GitError } from './git-error.js';
import { checkedBranch } from './git-input.js';
import { runGit } from './run-git.js';

const tracking = 'refs/remotes/origin/';

/**
 * @param mirror an updated mirror; the network is not asked.
 * @param base a branch of the remote; its default branch when absent.
 * @returns the branch and the commit it stands at.
 * @throws GitError `no_such_ref` when there is no such branch, naming the default branch; `bad_input`.
 */
export async function resolveBase(mirror: string, base?: string): Promise<{ branch: string; sha: string }> {
  const { branch: standard, sha } = await defaultBranch(mirror);
  if (base !== undefined) {
    if (base === standard && sha !== undefined) return { branch: base, sha };
    const other = await commitOf({ mirror }, `${tracking}${checkedBranch(base)}`);
    if (other !== undefined && base !== 'HEAD') return { branch: base, sha: other };
    throw new GitError(
      'no_such_ref',
      'the repository has no branch ' +
        `${JSON.stringify(base)}${standard === undefined ? '' : ` (its default branch is ${standard})`}: ` +
        'correct the base of the bead',
    );
  }
  if (standard !== undefined && sha !== undefined) return { branch: standard, sha };
  const { stdout } = await runGit({ mirror }, ['for-each-ref', '--count=5', '--format=%(refname:lstrip=3)', tracking], {
    doing: 'listing branches',
  });
  const branches = stdout
    .trim()
    .split('\n')
    .filter((name) => name !== '' && name !== 'HEAD');
  throw new GitError(
    'no_such_ref',
    branches.length === 0
      ? 'the repository has no branch with a commit yet: push a first commit to it'
      : 'the repository does not say which branch is its default one: name the base of the bead (there are ' +
          `${branches.join(', ')})`,
  );
}

/** One process for both: each start of a bead waits for it. A remote without a default branch has neither. */
async function defaultBranch(mirror: string): Promise<{ branch?: string; sha?: string }> {
  const { stdout } = await runGit(
    { mirror },
    ['for-each-ref', '--format=%(objectname) %(objecttype) %(symref)', `${tracking}HEAD`],
    { doing: 'reading the default branch' },
  );
  const [sha, type, name = ''] = stdout.trim().split(' ');
  if (name.startsWith(tracking) && type === 'commit') return { branch: name.slice(tracking.length), sha };
  return { branch: await namedDefault(mirror) };
}

/** It may name a branch that is gone: no ref then, but a name to tell. */
async function namedDefault(mirror: string): Promise<string | undefined> {
  const { stdout } = await runGit({ mirror }, ['symbolic-ref', '--quiet', `${tracking}HEAD`], {
    doing: 'reading the default branch',
    accept: [0, 1],
  });
  const name = stdout.trim();
  return name.startsWith(tracking) ? name.slice(tracking.length) : undefined;
}
