import { GitError } from './git-error.js';
import { checkedBranch } from './git-input.js';
import { readMirrorRefs, tracking } from './mirror-refs.js';
import type { MirrorRefs } from './mirror-refs.js';
import { runGit } from './run-git.js';

/**
 * @param mirror an updated mirror; the network is not asked.
 * @param base a branch of the remote; its default branch when absent.
 * @param known the mirror's refs, where the caller has them.
 * @returns the branch and the commit it stands at.
 * @throws GitError `no_such_ref` when there is no such branch, naming the default branch; `bad_input`.
 */
export async function resolveBase(
  mirror: string,
  base?: string,
  known?: MirrorRefs,
): Promise<{ branch: string; sha: string }> {
  const { standard: ref, refs } = known ?? (await readMirrorRefs(mirror));
  const sha = ref === undefined ? undefined : refs.get(ref);
  // It may name a branch that is gone: no ref then, but a name to tell.
  const standard = sha === undefined || ref === undefined ? await namedDefault(mirror) : ref.slice(tracking.length);
  if (base !== undefined) {
    if (base === standard && sha !== undefined) return { branch: base, sha };
    const other = refs.get(`${tracking}${checkedBranch(base)}`);
    if (other !== undefined && base !== 'HEAD') return { branch: base, sha: other };
    throw new GitError(
      'no_such_ref',
      'the repository has no branch ' +
        `${JSON.stringify(base)}${standard === undefined ? '' : ` (its default branch is ${standard})`}: ` +
        'correct the base of the bead',
    );
  }
  if (standard !== undefined && sha !== undefined) return { branch: standard, sha };
  const branches = [...refs.keys()]
    .filter((name) => name.startsWith(tracking))
    .slice(0, 5)
    .map((name) => name.slice(tracking.length));
  throw new GitError(
    'no_such_ref',
    branches.length === 0
      ? 'the repository has no branch with a commit yet: push a first commit to it'
      : 'the repository does not say which branch is its default one: name the base of the bead (there are ' +
          `${branches.join(', ')})`,
  );
}

async function namedDefault(mirror: string): Promise<string | undefined> {
  const { stdout } = await runGit({ mirror }, ['symbolic-ref', '--quiet', `${tracking}HEAD`], {
    doing: 'reading the default branch',
    accept: [0, 1],
  });
  const name = stdout.trim();
  return name.startsWith(tracking) ? name.slice(tracking.length) : undefined;
}
