import { gitFailure } from '../git-failure.js';
import { runGit } from '../run-git.js';
import type { GitPlace } from '../run-git.js';

export interface DeletedRefs {
  deleted: string[];
  /** Refs that the remote does not let go, each with its word for it. */
  refused: { ref: string; reason: string }[];
  /** Refs at which something else stood by then: they stay. */
  moved: string[];
}

/** A command line takes them, and one refusal of a whole push costs few others. */
const atOnce = 100;

/**
 * Removes refs from a remote, each only if it still stands at the commit that was seen: what somebody has pushed
 * meanwhile stays. Each by itself: one that is refused keeps no other.
 * @throws GitError when the remote could not be talked to, or did not say what it did.
 */
export async function deleteRefs(
  place: GitPlace,
  remote: string,
  refs: readonly { ref: string; sha: string }[],
  signal?: AbortSignal,
): Promise<DeletedRefs> {
  const all: DeletedRefs = { deleted: [], refused: [], moved: [] };
  for (let from = 0; from < refs.length; from += atOnce) {
    const some = await deleteSome(place, remote, refs.slice(from, from + atOnce), signal);
    all.deleted.push(...some.deleted);
    all.refused.push(...some.refused);
    all.moved.push(...some.moved);
  }
  return all;
}

async function deleteSome(
  place: GitPlace,
  remote: string,
  refs: readonly { ref: string; sha: string }[],
  signal: AbortSignal | undefined,
): Promise<DeletedRefs> {
  const doing = 'removing refs of ended beads';
  const { code, stdout, stderr } = await runGit(
    place,
    [
      'push',
      '--porcelain',
      '--no-verify',
      '--no-signed',
      '--no-follow-tags',
      '--recurse-submodules=no',
      ...refs.map(({ ref, sha }) => `--force-with-lease=${ref}:${sha}`),
      '--end-of-options',
      remote,
      ...refs.map(({ ref }) => `:${ref}`),
    ],
    { doing, repo: remote, signal, limit: 'transfer', accept: [0, 1, 128] },
  );
  const found: DeletedRefs = { deleted: [], refused: [], moved: [] };
  const words = stderr
    .split('\n')
    .filter((line) => line.startsWith('remote: '))
    .map((line) => line.slice('remote: '.length).trim())
    .filter((line) => line !== '');
  for (const line of stdout.split('\n')) {
    const [, flag, ref = '', said = ''] = /^([ +*=!-])\t(?:\(delete\))?:(refs\/[^\t]+)\t(.*)$/.exec(line) ?? [];
    if (flag === undefined) continue;
    if (flag !== '!') found.deleted.push(ref);
    // What is gone already was removed by somebody else.
    else if (/stale info|reference already exists|fetch first/.test(said)) found.moved.push(ref);
    else found.refused.push({ ref, reason: [said.replace(/^\[[^\]]*\]\s*/, ''), ...words].join('; ').slice(0, 600) });
  }
  const told = found.deleted.length + found.refused.length + found.moved.length;
  if ((code !== 0 && code !== 1) || told === 0) throw gitFailure({ doing, repo: remote }, [stdout, stderr].join('\n'));
  return found;
}
