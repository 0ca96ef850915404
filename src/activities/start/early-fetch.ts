import { exists, mirrorPath, readMirrorRefs, updateMirror } from '../../git/index.js';
import type { GitProgress, MirrorRefs, UpdateMirrorOptions } from '../../git/index.js';

/** An updated mirror, and what it knew right after. */
export interface FetchedMirror {
  path: string;
  known: MirrorRefs;
}

/**
 * Brings a mirror that is here up to date while the bead is told who has its attempt: the one waits for the bead's
 * worker, the other for the remote. A repository that is not here yet waits for the word of the bead.
 */
export class EarlyFetch {
  /** Breaks it off; from the preparation on, that as well. */
  readonly controller = new AbortController();
  /** The mirror; undefined when there was none. @throws what {@link updateMirror} throws. */
  readonly mirror: Promise<FetchedMirror | undefined>;
  /** How its preparation hears how far it is. */
  onProgress: ((progress: GitProgress) => void) | undefined;

  constructor(root: string, { repo, bead }: { repo: string; bead: string }) {
    this.mirror = this.#fetch(root, repo, bead);
    // What goes wrong is told to the preparation. There may be none.
    this.mirror.catch(() => undefined);
  }

  async #fetch(root: string, repo: string, bead: string): Promise<FetchedMirror | undefined> {
    if (!(await exists(mirrorPath(root, repo)))) return undefined;
    const { signal } = this.controller;
    return fetchedMirror({ root, repo, bead, signal, onProgress: (progress) => this.onProgress?.(progress) });
  }
}

/**
 * @returns a mirror that is up to date, and its refs.
 * @throws what {@link updateMirror} throws.
 */
export async function fetchedMirror({
  bead,
  ...update
}: UpdateMirrorOptions & { bead: string }): Promise<FetchedMirror> {
  const { path } = await updateMirror(update);
  return { path, known: await readMirrorRefs(path, { bead, signal: update.signal }) };
}
