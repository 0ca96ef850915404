import { stat } from 'node:fs/promises';
import { isMissing } from '../edge/errors.js';

/** A log has at most so many older files beside it (`name.1`, the newest of them, and so on). */
const mostOlder = 9;

/** @returns the file beside a log that has this inode: what the log was before it was rotated. */
export async function rotatedFiles(path: string, inode: number): Promise<string | undefined> {
  for (let number = 1; number <= mostOlder; number += 1) {
    try {
      if ((await stat(`${path}.${number}`)).ino === inode) return `${path}.${number}`;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
  return undefined;
}
