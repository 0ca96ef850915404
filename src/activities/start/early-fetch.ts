import { readAttemptRef, usualRefPrefix } from '../../contract/index.js';
import type { StartAgentInput } from '../../contract/index.js';
import { exists, mirrorPath, readMirrorRefs, updateMirror } from '../../git/index.js';
import type { GitProgress, MirrorRefs, UpdateMirrorOptions } from '../../git/index.js';
import type { SpareTrees } from './spare-trees.js';

/** An updated mirror, and what it knew right after. */
export interface FetchedMirror {
  path: string;
  known: MirrorRefs;
}

/**
 * Brings a mirror that is here up to date before anything else of an attempt is done: it waits for the remote, all else
 * for the disk and the bead. A repository that is not here yet is left to the preparation.
 */
export class EarlyFetch {
  /** Breaks it off; from the preparation on, that as well. */
  readonly controller = new AbortController();
  /** The mirror; undefined when there was none. @throws what {@link updateMirror} throws. */
  readonly mirror: Promise<FetchedMirror | undefined>;
  /** How its preparation hears how far it is. */
  onProgress: ((progress: GitProgress) => void) | undefined;

  constructor(
    root: string,
    input: BegunAt,
    private readonly spareTrees?: Pick<SpareTrees, 'lookOver'>,
  ) {
    this.mirror = this.#fetch(root, input);
    // What goes wrong is told to the preparation. There may be none.
    this.mirror.catch(() => undefined);
  }

  async #fetch(root: string, input: BegunAt): Promise<FetchedMirror | undefined> {
    const mirror = mirrorPath(root, input.repo);
    if (!(await exists(mirror))) return undefined;
    const { signal } = this.controller;
    // Saved work is gone on from at a commit of its own.
    if (input.checkpoint === undefined) this.spareTrees?.lookOver(mirror, { at: input.baseSha, signal });
    return fetchedMirror(root, input, { signal, onProgress: (progress) => this.onProgress?.(progress) });
  }
}

/** What an attempt says of where it begins, at the most. */
type BegunAt = FetchedFor & Pick<StartAgentInput, 'baseSha' | 'checkpoint'>;

/** What an attempt says of the mirror it begins in. */
type FetchedFor = Pick<StartAgentInput, 'repo' | 'bead' | 'base' | 'workspace'>;

/**
 * @returns a mirror that has all that the attempt can begin at, and its refs.
 * @throws what {@link updateMirror} throws.
 */
export async function fetchedMirror(
  root: string,
  { repo, bead, base, workspace }: FetchedFor,
  options: Pick<UpdateMirrorOptions, 'signal' | 'onProgress'>,
): Promise<FetchedMirror> {
  // Other attempts push all the time; saves of this bead's are looked for by what the bead knows of them.
  const ofAttempt = base !== undefined && readAttemptRef(`refs/heads/${base}`) !== undefined;
  const exceptAttempts = ofAttempt ? undefined : (workspace?.refPrefix ?? usualRefPrefix);
  const { path, known } = await updateMirror({ ...options, root, repo, bead, exceptAttempts });
  return { path, known: known ?? (await readMirrorRefs(path, { bead, signal: options.signal })) };
}
