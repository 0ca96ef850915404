import { stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isMissing } from '../edge/errors.js';
import { openIfThere } from '../operator/open-if-there.js';

/** A log has at most so many older files beside it (`name.1`, the newest of them, and so on). */
const mostOlder = 9;

/**
 * Reads a growing log bit by bit, with what was rotated away from it: the oldest file first, and each to its end. A
 * file that has become shorter is read from its start.
 */
export class FileFollower {
  #offset = 0;
  #inode: number | undefined;
  #rest = '';
  readonly #decoder = new TextDecoder();

  constructor(private readonly path: string) {}

  /** @returns the whole lines that were added since the last call; none when there is no file yet. */
  async newLines(): Promise<string[]> {
    const files = await this.#open();
    try {
      // The one that was read last, wherever it is by now; when it is gone, what is left is all newer.
      const last = files.findIndex(({ ino }) => ino === this.#inode);
      const lines: string[] = [];
      for (const { file, ino, size } of last < 0 ? files : files.slice(last)) {
        if (ino !== this.#inode || size < this.#offset) this.#offset = 0;
        this.#inode = ino;
        lines.push(...(await this.#read(file)));
      }
      return lines;
    } finally {
      for (const { file } of files) await file.close();
    }
  }

  /**
   * Opens the newest first: a rotation meanwhile moves a file to where it is found again, and none is missed. @returns
   * them, the oldest first.
   */
  async #open(): Promise<{ file: FileHandle; ino: number; size: number }[]> {
    const found: { file: FileHandle; ino: number; size: number }[] = [];
    for (const path of [this.path, ...Array.from({ length: mostOlder }, (_, index) => `${this.path}.${index + 1}`)]) {
      const file = await openIfThere(path);
      if (file === undefined && path === this.path) continue;
      if (file === undefined) break;
      const { ino, size } = await file.stat();
      if (found.some((other) => other.ino === ino)) await file.close();
      else found.push({ file, ino, size });
    }
    return found.reverse();
  }

  async #read(file: FileHandle): Promise<string[]> {
    const lines: string[] = [];
    const buffer = Buffer.alloc(64 * 1024);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset);
      if (bytesRead === 0) return lines;
      this.#offset += bytesRead;
      const parts = (this.#rest + this.#decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
      this.#rest = parts.pop() ?? '';
      lines.push(...parts);
    }
  }

  /** @returns what stands after the last line break: an unfinished line. */
  leftover(): string[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest === '' ? [] : [rest];
  }
}

/** @returns whether a file exists. */
export async function fileExists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
