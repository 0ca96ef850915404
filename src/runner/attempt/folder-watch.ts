import { stat } from 'node:fs/promises';

/** Tells, once, that a folder is not there any more, or that another one has taken its place. */
export class FolderWatch {
  #timer: NodeJS.Timeout | undefined;
  #inode: number | undefined;

  constructor(
    private readonly path: string,
    private readonly onGone: () => void,
  ) {}

  /** @param every milliseconds between two looks. */
  start(every: number): void {
    const look = async (): Promise<void> => {
      const inode = await inodeOf(this.path);
      if (this.#timer === undefined || inode === 'unknown') return;
      this.#inode ??= inode;
      if (inode !== undefined && inode === this.#inode) return;
      this.stop();
      this.onGone();
    };
    this.#timer = setInterval(() => void look(), every);
    this.#timer.unref();
    void look();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * @returns undefined when there is no such folder; what cannot be told for now (a network disk that stands still) is no
 * end.
 */
async function inodeOf(path: string): Promise<number | undefined | 'unknown'> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : 'unknown';
  }
}
