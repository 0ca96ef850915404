import { statfs } from 'node:fs/promises';

/**
 * Below so many free bytes nothing new is started: 512 MiB. Room for the checkpoints and logs of the agents that run
 * already: their work must still be savable when a new clone would have filled the disk.
 */
export const defaultDiskFloor = 512 * 1024 * 1024;

/**
 * @param floor bytes that must be free for this user.
 * @returns what is wrong and what to do, or undefined when there is room.
 */
export async function diskProblem(path: string, floor: number): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (free >= floor) return undefined;
  return (
    `only ${mebibytes(free)} MiB are free in ${path}, less than the floor of ${mebibytes(floor)} MiB: free some ` +
    "space (or lower the worker's --disk-floor)"
  );
}

const mebibytes = (bytes: number): string => Math.floor(bytes / (1024 * 1024)).toLocaleString('en-US');
