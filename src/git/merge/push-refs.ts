import { gitFailure } from '../git-failure.js';
import { GitError } from '../git-error.js';
import { runGit } from '../run-git.js';

/** One ref of a push: it becomes `sha` if it is at `expected` on the remote (absent: if it is not there yet). */
export interface LeasedRef {
  ref: string;
  sha: string;
  expected?: string | undefined;
}

export type PushAnswer =
  /** `changed` is false when all refs were there already: then leases are not even looked at. */
  | { kind: 'pushed'; changed: boolean }
  /** Some ref was not taken, and so none (atomic). `said` is what git and the remote gave as reasons. */
  | { kind: 'not-taken'; said: string; reason: string }
  /** The remote takes only one ref at a time. */
  | { kind: 'not-atomic' };

/**
 * Pushes commits of a mirror to refs of the remote, each only from the commit that it is expected at; several in one
 * transaction. Never cut off from outside, since nobody would know then whether the remote has taken it; only a push
 * without any sign of progress is given up.
 * @throws GitError when the remote could not be talked to, or did not say what it did.
 */
export async function pushRefs(
  mirror: string,
  remote: string,
  refs: readonly LeasedRef[],
  doing: string,
): Promise<PushAnswer> {
  const args = [
    'push',
    '--porcelain',
    '--progress',
    '--no-verify',
    '--no-signed',
    '--no-follow-tags',
    '--recurse-submodules=no',
    ...(refs.length > 1 ? ['--atomic'] : []),
    ...refs.map(({ ref, expected }) => `--force-with-lease=${ref}:${expected ?? ''}`),
    '--end-of-options',
    remote,
    ...refs.map(({ ref, sha }) => `${sha}:${ref}`),
  ];
  // Read here, all of it: git's status 1 is an answer when it comes with a table of refs, and the table with 128 is an
  // error all the same.
  const { code, stdout, stderr } = await runGit({ mirror }, args, {
    doing,
    repo: remote,
    limit: 'transfer',
    accept: [0, 1, 128],
  });
  if (code === 0) return { kind: 'pushed', changed: stdout.split('\n').some((line) => /^[^=]\t/.test(line)) };
  if (/does not support --atomic push/.test(stderr)) return { kind: 'not-atomic' };
  const table = stdout
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.replaceAll('\t', ' '));
  const said = [...table, stderr].join('\n');
  if (code !== 1 || table.length === 0) throw gitFailure({ doing, repo: remote }, said);
  // A full disk over there, or a line that broke after the last word: nothing about this push, and it passes.
  if (/unpacker error|\[remote failure\]/.test(said))
    throw new GitError(
      'unreachable',
      `while ${doing}, the remote could not store it, or did not say whether it did ` +
        `(${reasonOf(table, stderr)}): look at the remote; trying again may help`,
      said,
    );
  return { kind: 'not-taken', said, reason: reasonOf(table, stderr) };
}

/** @returns what the remote itself says, else git's word for it. */
function reasonOf(table: readonly string[], stderr: string): string {
  const remote = stderr
    .split('\n')
    .filter((line) => line.startsWith('remote: '))
    .map((line) => line.slice('remote: '.length).trim())
    .filter((line) => line !== '' && !/^error: hook declined/.test(line));
  const words = table.map((line) => /\(([^()]*)\)\s*$/.exec(line)?.[1] ?? line);
  // Where two refs were refused, one is often only carried along by the other.
  const own = words.filter((word) => !/^atomic (?:push|transaction) fail/.test(word));
  return [...new Set([...(own.length > 0 ? own : words), ...remote])].join('; ').slice(0, 600);
}
