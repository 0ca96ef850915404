import { readFile, readdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { leadsNowhere } from '../edge/errors.js';

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (leadsNowhere(error)) return false;
    throw error;
  }
}

/**
 * @returns the path of a folder or file that is open, by which nothing can be put in its place any more. Linux only;
 * below a folder, a name leads to what is in that very folder.
 */
export const openPlace = ({ fd }: FileHandle): string => `/proc/self/fd/${fd}`;

/** @returns what stands in a file; an empty text when there is no such file. */
export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (leadsNowhere(error) || (error as NodeJS.ErrnoException).code === 'EISDIR') return '';
    throw error;
  }
}

/** @returns the names in a folder; none when there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (leadsNowhere(error)) return [];
    throw error;
  }
}
