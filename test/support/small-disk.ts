import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Whether this process may mount one. */
export const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

/** A real disk of a few megabytes, mounted over a folder. */
export class SmallDisk {
  readonly #path: string;

  constructor(path: string, megabytes: number) {
    this.#path = path;
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', path]);
  }

  /** Leaves not a byte. What is freed meanwhile can be used again, so a test that goes on writing fills it again. */
  fill(): void {
    const file = openSync(join(this.#path, `ballast-${readdirSync(this.#path).length}`), 'w');
    try {
      for (let chunk = Buffer.alloc(64 * 1024); chunk.length > 0;) {
        try {
          writeSync(file, chunk);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          chunk = chunk.subarray(0, Math.floor(chunk.length / 2));
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    for (const name of readdirSync(this.#path)) if (name.startsWith('ballast-')) rmSync(join(this.#path, name));
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.#path]);
  }
}
