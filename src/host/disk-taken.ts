import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What files take on their disk, as far as was looked. */
export interface Taken {
  bytes: number;
  /** Whether everything was looked at; otherwise it is at least so much. */
  whole: boolean;
}

export interface CountLimits {
  /** Whether there is time for another look; asked between a few hundred files. */
  goOn: () => boolean;
  /** Files with several names that were counted already; shared by looks that are to count each once. */
  counted?: Set<string>;
  /** Whether a file or a folder is passed over; it is told its name. */
  without?: (name: string) => boolean;
}

/** So many files are asked for at a time. */
const atOnce = 200;
/** Agents and git come and go meanwhile. */
const gone = new Set(['ENOENT', 'ENOTDIR']);
/** Somebody else's, or deeper than a path is long: the sum is told all the same, as one that may be more. */
const passing = new Set([...gone, 'EACCES', 'EPERM', 'ENAMETOOLONG']);

/**
 * Adds up what a file or folder takes on its disk, by the blocks that it has there. A file with several names counts
 * once, links are not followed, and other disks that are mounted below are not looked into.
 */
export async function diskTaken(path: string, { goOn, counted = new Set(), without }: CountLimits): Promise<Taken> {
  const taken: Taken = { bytes: 0, whole: true };
  let disk: number | undefined;
  /** @returns whether it is a folder to look into. */
  const count = async (file: string): Promise<boolean> => {
    try {
      const found = await lstat(file);
      disk ??= found.dev;
      if (found.dev !== disk) return false;
      const key = `${found.dev}:${found.ino}`;
      if (found.isDirectory() || found.nlink === 1 || !counted.has(key)) taken.bytes += found.blocks * 512;
      if (found.nlink > 1 && !found.isDirectory()) counted.add(key);
      return found.isDirectory();
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!passing.has(code)) throw error;
      if (!gone.has(code)) taken.whole = false;
      return false;
    }
  };
  const folders = (await count(path)) ? [path] : [];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (!goOn()) return { ...taken, whole: false };
    const names = await namesIn(folder);
    if (names === undefined) {
      taken.whole = false;
      continue;
    }
    const files = names.filter((name) => without?.(name) !== true).map((name) => join(folder as string, name));
    for (let from = 0; from < files.length; from += atOnce) {
      if (from > 0 && !goOn()) return { ...taken, whole: false };
      const some = files.slice(from, from + atOnce);
      const within = await Promise.all(some.map(count));
      folders.push(...some.filter((_, n) => within[n] === true));
    }
  }
  return taken;
}

/** @returns the names; none where the folder has gone, undefined where it may not be read. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!passing.has(code)) throw error;
    return gone.has(code) ? [] : undefined;
  }
}
