import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isMissing } from '../edge/errors.js';

/** @returns the file, open for reading; undefined when there is none (yet). */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
