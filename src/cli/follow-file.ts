import { open, stat } from 'node:fs/promises';

/** Reads a growing file bit by bit, also over rotations: a file that has become another, or shorter, is read from its start. */
export class FileFollower {
  private offset = 0;
  private inode: number | undefined;
  private rest = '';
  private readonly decoder = new TextDecoder();

  constructor(private readonly path: string) {}

  /** @returns the whole lines that were added since the last call; none when the file is not there yet. */
  async newLines(): Promise<string[]> {
    let file;
    try {
      file = await open(this.path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    try {
      const { ino, size } = await file.stat();
      if (this.inode !== undefined && (ino !== this.inode || size < this.offset)) this.offset = 0;
      this.inode = ino;
      const lines: string[] = [];
      const buffer = Buffer.alloc(64 * 1024);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, this.offset);
        if (bytesRead === 0) return lines;
        this.offset += bytesRead;
        const parts = (this.rest + this.decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
        this.rest = parts.pop() ?? '';
        lines.push(...parts);
      }
    } finally {
      await file.close();
    }
  }

  /** @returns what stands after the last line break: an unfinished line. */
  leftover(): string[] {
    const rest = this.rest;
    this.rest = '';
    return rest === '' ? [] : [rest];
  }
}

/** @returns whether a file exists. */
export async function fileExists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
