import { runGit } from './run-git.js';

/** The remote's branches in a mirror. */
export const tracking = 'refs/remotes/origin/';

/** What a mirror knew of its remote, and of a bead's saves on this host, at one moment. */
export interface MirrorRefs {
  /** The ref that the remote's default branch has here, where it names one that is there. */
  standard?: string | undefined;
  /** Full name to object id, in the order of the names: the remote's branches, the tags, the bead's saves. */
  refs: ReadonlyMap<string, string>;
}

/**
 * Reads all refs that the start of an attempt asks for in one process: each process more costs each start some ten
 * milliseconds.
 * @param bead - whose saves are wanted as well.
 * @throws GitError
 */
export async function readMirrorRefs(
  mirror: string,
  { bead, signal }: { bead?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<MirrorRefs> {
  const saves = bead === undefined ? [] : [savesOf(bead)];
  const { stdout } = await runGit(
    { mirror },
    ['for-each-ref', '--format=%(objectname) %(refname) %(symref)', tracking, 'refs/tags', ...saves],
    { doing: 'listing the refs of the mirror', signal },
  );
  let standard: string | undefined;
  const refs = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const [sha = '', name, target = ''] = line.split(' ');
    if (name === undefined) continue;
    if (target === '') refs.set(name, sha);
    else if (name === `${tracking}HEAD`) standard = target;
  }
  return { standard, refs };
}

/** Where the saves of a bead's attempts are in a mirror. */
export const savesOf = (bead: string): string => `refs/heartbead/${bead}/`;

/** @returns whether a branch of the remote is at this commit: then it is here, since the fetch has brought it. */
export const hasBranchAt = ({ refs }: MirrorRefs, sha: string): boolean =>
  [...refs].some(([name, at]) => at === sha && name.startsWith(tracking));
