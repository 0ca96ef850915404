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

/** Which refs are read. */
export interface ReadMirrorRefsOptions {
  /** A bead whose saves are wanted as well. */
  bead?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Reads all refs that the start of an attempt asks for in one process: each process more costs each start some ten
 * milliseconds.
 * @throws GitError
 */
export async function readMirrorRefs(mirror: string, options: ReadMirrorRefsOptions = {}): Promise<MirrorRefs> {
  return (await askForRefs(mirror, { ...options, doing: 'listing the refs of the mirror' })).known;
}

/**
 * Reads the same refs, and opens the object that each names.
 * @returns the refs; or what is wrong, as far as it can be told without reading every object.
 * @throws GitError, also of damage.
 */
export async function openMirrorRefs(
  mirror: string,
  options: ReadMirrorRefsOptions,
): Promise<{ known: MirrorRefs } | { damage: string }> {
  // The type is what makes git open each object.
  const open = { ...options, doing: 'looking over the mirror', extra: '%(objecttype)' };
  const { known, stderr } = await askForRefs(mirror, open);
  return /ignoring (?:broken ref|dangling symref) refs\/remotes\/origin\/(?!HEAD)/.test(stderr)
    ? { damage: 'a ref cannot be read' }
    : { known };
}

async function askForRefs(
  mirror: string,
  { bead, signal, doing, extra = '' }: ReadMirrorRefsOptions & { doing: string; extra?: string },
): Promise<{ known: MirrorRefs; stderr: string }> {
  const saves = bead === undefined ? [] : [savesOf(bead)];
  const { stdout, stderr } = await runGit(
    { mirror },
    ['for-each-ref', `--format=%(objectname) %(refname) %(symref) ${extra}`, tracking, 'refs/tags', ...saves],
    { doing, signal },
  );
  let standard: string | undefined;
  const refs = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const [sha = '', name, target = ''] = line.split(' ');
    if (name === undefined) continue;
    if (target === '') refs.set(name, sha);
    else if (name === `${tracking}HEAD`) standard = target;
  }
  return { known: { standard, refs }, stderr };
}

/** Where the saves of a bead's attempts are in a mirror. */
export const savesOf = (bead: string): string => `refs/heartbead/${bead}/`;

/** @returns whether a branch of the remote is at this commit: then it is here, since the fetch has brought it. */
export const hasBranchAt = ({ refs }: MirrorRefs, sha: string): boolean =>
  [...refs].some(([name, at]) => at === sha && name.startsWith(tracking));
