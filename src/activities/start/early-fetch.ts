import { exists, mirrorPath, updateMirror } from '../../git/index.js';
import type { GitProgress } from '../../git/index.js';

/**
 * Brings a mirror that is here up to date while the bead is told who has its attempt: the one waits for the bead's
 * worker, the other for the remote. A repository that is not here yet waits for the word of the bead.
 */
export class EarlyFetch {
  /** Breaks it off; from the preparation on, that as well. */
  readonly controller = new AbortController();
  /** The mirror; undefined when there was none. @throws what {@link updateMirror} throws. */
  readonly mirror: Promise<{ path: string } | undefined>;
  /** How its preparation hears how far it is. */
  onProgress: ((progress: GitProgress) => void) | undefined;

  constructor(root: string, repo: string) {
    this.mirror = this.#fetch(root, repo);
    // What goes wrong is told to the preparation. There may be none.
    this.mirror.catch(() => undefined);
  }

  async #fetch(root: string, repo: string): Promise<{ path: string } | undefined> {
    if (!(await exists(mirrorPath(root, repo)))) return undefined;
    const { signal } = this.controller;
    return updateMirror({ root, repo, signal, onProgress: (progress) => this.onProgress?.(progress) });
  }
}
