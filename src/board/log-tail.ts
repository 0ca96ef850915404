import type { FileHandle } from 'node:fs/promises';
import { openIfThere } from '../operator/open-if-there.js';
import { LineCutter } from './line-cutter.js';
import type { TailLine } from './line-cutter.js';
import { rotatedFiles } from './rotated.js';

/** What is shown of a log at first: its end. */
const firstBytes = 2 * 1024 * 1024;
/** What one answer holds at most. */
const mostLines = 2_000;

/** The end of a growing log, and what is added to it. A file that has become shorter is read from its start. */
export class GrowingLog {
  readonly #path: string;
  #offset: number | undefined;
  #inode: number | undefined;
  readonly #cutter = new LineCutter();

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns the whole lines since the last call, at first those at the end of the log. */
  async newLines(): Promise<TailLine[]> {
    const file = await openIfThere(this.#path);
    if (file === undefined) return [];
    try {
      const { ino, size } = await file.stat();
      const lines: TailLine[] = [];
      if (this.#offset === undefined) {
        this.#offset = Math.max(size - firstBytes, 0);
        if (this.#offset > 0) {
          await this.#read(file, size, lines);
          // The first is only the end of a line.
          lines.shift();
        }
      } else if (ino !== this.#inode && this.#inode !== undefined) {
        // It was rotated: what was not read of the one before is beside it.
        const before = await rotatedFiles(this.#path, this.#inode);
        if (before !== undefined) {
          const old = await openIfThere(before);
          if (old !== undefined) {
            try {
              await this.#read(old, (await old.stat()).size, lines);
            } finally {
              await old.close();
            }
          }
        }
        this.#offset = 0;
      } else if (size < this.#offset) this.#offset = 0;
      this.#inode = ino;
      await this.#read(file, size, lines);
      return lines.slice(-mostLines);
    } finally {
      await file.close();
    }
  }

  async #read(file: FileHandle, size: number, lines: TailLine[]): Promise<void> {
    const buffer = Buffer.alloc(64 * 1024);
    let at = this.#offset ?? 0;
    while (at < size) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
      lines.push(...this.#cutter.take(buffer.subarray(0, bytesRead)));
    }
    this.#offset = at;
  }
}
