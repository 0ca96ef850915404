import { stat } from 'node:fs/promises';
import { leadsNowhere } from '../../edge/errors.js';
import type { Part } from '../part.js';
import { every } from '../time.js';
import type { Cancel, Time } from '../time.js';

/** Tells, once, that a folder is not there any more, or that another one has taken its place. */
export class FolderWatch implements Part {
  #cancel: Cancel | undefined;
  #inode: number | undefined;

  constructor(
    private readonly path: string,
    /** Milliseconds between two looks. */
    private readonly everyMs: number,
    private readonly time: Time,
    private readonly onGone: () => void,
  ) {}

  fencing(): void {
    const look = async (): Promise<void> => {
      const inode = await inodeOf(this.path);
      if (this.#cancel === undefined || inode === 'unknown') return;
      this.#inode ??= inode;
      if (inode !== undefined && inode === this.#inode) return;
      this.recorded();
      this.onGone();
    };
    this.#cancel = every(this.time, this.everyMs, () => void look());
    void look();
  }

  recorded(): void {
    this.#cancel?.();
    this.#cancel = undefined;
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
    return leadsNowhere(error) ? undefined : 'unknown';
  }
}
