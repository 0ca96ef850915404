import { lstat } from 'node:fs/promises';
import { leadsNowhere } from './errors.js';

/** @returns what stands at a path; links are not followed. @throws Error when that cannot be told. */
export async function kindOf(path: string): Promise<'folder' | 'file' | 'nothing' | 'other'> {
  try {
    const stat = await lstat(path);
    return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
  } catch (error) {
    if (leadsNowhere(error)) return 'nothing';
    throw error;
  }
}
