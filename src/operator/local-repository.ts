import { clip, mergedBy } from '../contract/index.js';
import type { MergeStrategy } from '../contract/index.js';
import { shortSha } from '../domain/words.js';
import { runGit } from '../git/run-git.js';
import { CliError, exitCodes, usageError } from './cli-error.js';

/** What a repository on this machine is like, as far as that decides whether agents can work from it. */
export interface LocalRepository {
  path: string;
  /** Its history is cut off: git fetches nothing of it. */
  shallow: boolean;
  /** Contents of files are left out: only its own origin has them. */
  partial: boolean;
  /** Nothing is committed on any branch yet. */
  unborn: boolean;
  /** It has no working tree. */
  bare: boolean;
  /** The branch that is checked out, where there is a working tree. */
  checkedOut?: string;
  /** Commit of HEAD. */
  head?: string;
  /** Files that are changed, added or untracked in the working tree. */
  uncommitted: number;
  /** URL of its own origin, without credentials. */
  origin?: string;
  /** What the repository does with a push to its checked-out branch (`receive.denyCurrentBranch`). */
  denyCurrentBranch: string;
  /** It has contents of files in Git LFS. */
  lfs: boolean;
}

/**
 * Looks at a repository on this machine. Costs a few git processes, and no network.
 * @throws CliError (usage) where git cannot read it: what it says of nothing would be taken for an answer.
 */
export async function readLocalRepository(path: string): Promise<LocalRepository> {
  await requireReadable(path);
  const git = async (args: string[]): Promise<string> => {
    const { stdout } = await runGit('nowhere', ['-C', path, ...args], {
      doing: `looking at the repository ${path}`,
      accept: [0, 1, 128],
    });
    return stdout.trim();
  };
  const config = (name: string): Promise<string> => git(['config', '--get', name]);
  const isBare = (await git(['rev-parse', '--is-bare-repository'])) === 'true';
  const head = await git(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  const branch = await git(['symbolic-ref', '--quiet', '--short', 'HEAD']);
  const changes = isBare ? '' : await git(['status', '--porcelain']);
  const origin = await config('remote.origin.url');
  return {
    path,
    shallow: (await git(['rev-parse', '--is-shallow-repository'])) === 'true',
    partial:
      (await config('extensions.partialClone')) !== '' ||
      (await git(['config', '--get-regexp', '^remote\\..*\\.promisor$'])) !== '',
    unborn: (await git(['for-each-ref', '--count=1', 'refs/heads/'])) === '',
    bare: isBare,
    checkedOut: isBare || branch === '' ? undefined : branch,
    head: head === '' ? undefined : head,
    uncommitted: changes === '' ? 0 : changes.split('\n').length,
    origin: origin === '' ? undefined : origin.replace(/^([a-z+]+:\/\/)[^/@\s]*@/i, '$1'),
    denyCurrentBranch: (await config('receive.denyCurrentBranch')) || 'refuse',
    lfs: head !== '' && (await git(['grep', '-l', '-e', 'filter=lfs', 'HEAD', '--', '*.gitattributes'])) !== '',
  };
}

async function requireReadable(path: string): Promise<void> {
  const { stderr, code } = await runGit('nowhere', ['-C', path, 'rev-parse', '--git-dir'], {
    doing: `looking at the repository ${path}`,
    accept: [0, 128],
  });
  if (code === 0) return;
  const said =
    stderr
      .split('\n')
      .find((line) => line.startsWith('fatal: '))
      ?.slice('fatal: '.length) ?? 'no reason';
  throw usageError(
    `git cannot read the repository ${path} (${clip(said, 300)})`,
    /dubious ownership/.test(said)
      ? `it belongs to another user: \`git config --global --add safe.directory ${path}\`, also for the users of hosts`
      : `mend what git names (\`git -C ${path} status\` tells it), or give the URL of another repository`,
  );
}

/** @throws CliError (usage) where agents cannot work from such a repository. */
export function requireWhole({ path, shallow, partial, unborn, bare, origin }: LocalRepository): void {
  const ofOrigin = origin === undefined ? 'the URL of its origin' : `its origin, --repo ${origin}`;
  if (shallow)
    throw usageError(
      `${path} is a shallow clone: its history is cut off, and git fetches nothing of it`,
      `run \`git -C ${path} fetch --unshallow\`, or give ${ofOrigin}`,
    );
  if (partial)
    throw usageError(
      `${path} is a partial clone: contents that it lacks are only at its origin`,
      `give ${ofOrigin}; or make a whole clone of it`,
    );
  if (unborn)
    throw usageError(
      `${path} has no commit yet, so there is nothing to begin at`,
      bare
        ? `push a first commit to it (\`git push ${path} HEAD\`, in a repository that has one)`
        : `commit something there (\`git -C ${path} commit --allow-empty -m first\`)`,
    );
}

/**
 * Work that is to land in a branch which somebody has checked out is refused by git at the very end, after it was paid
 * for: so it is refused here.
 * @param base the branch of the rig, where one was named.
 * @throws CliError (refused) with the three ways out.
 */
export function requireLandable(found: LocalRepository, strategy: MergeStrategy, base: string | undefined): void {
  const { path, checkedOut, denyCurrentBranch } = found;
  if (checkedOut === undefined || mergedBy(strategy) !== 'refinery' || (base !== undefined && base !== checkedOut))
    return;
  if (!['refuse', 'true'].includes(denyCurrentBranch)) return;
  throw new CliError({
    code: exitCodes.refused,
    message: `${path} is a working copy with ${checkedOut} checked out, and git refuses every merge into that branch`,
    next:
      `give the repository that it was cloned from${found.origin === undefined ? '' : ` (--repo ${found.origin})`}, ` +
      `or leave merging to yourself (--strategy branch-only), ` +
      `or let merges update the working copy (\`git -C ${path} config receive.denyCurrentBranch updateInstead\`)`,
  });
}

/** @returns what a person should know of a working copy that agents begin from, or undefined. */
export function workingCopyNote({ path, uncommitted, checkedOut, head }: LocalRepository): string | undefined {
  if (uncommitted === 0) return undefined;
  const changes = uncommitted === 1 ? 'the 1 uncommitted change' : `the ${uncommitted} uncommitted changes`;
  const begin = head === undefined ? '' : `; agents begin at ${checkedOut ?? 'HEAD'} (${shortSha(head)})`;
  return `${changes} of ${path} ${uncommitted === 1 ? 'is' : 'are'} not part of it${begin}`;
}

/** @returns what of such a repository is not in a tree by itself, each with what brings it there. */
export function elsewhereNotes({ path, lfs }: LocalRepository): string[] {
  return [
    ...(lfs
      ? [
          `${path} has files in Git LFS: hosts need the program git-lfs (\`heartbead doctor\` says whether ` +
            'one has it); what agents change is uploaded before it is pushed',
        ]
      : []),
  ];
}
