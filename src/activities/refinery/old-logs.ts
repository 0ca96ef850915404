import type { Stats } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** How long a check's log is of use: an item that failed has been looked at within a month, or nobody ever will. */
export const logsKeptFor = 30 * 24 * 3_600_000;
/**
 * What all logs of checks on a host may take together, newest first: 1 GiB is fifty items with all the output that one
 * may leave (20 MiB).
 */
export const logBytesKept = 1024 ** 3;

/**
 * A log of checks is `<item>.log`, rotated into `<item>.log.1` and so on. Scratch trees are folders without such an
 * end.
 */
const isLog = (name: string): boolean => /\.log(?:\.\d+)?$/.test(name);

/**
 * Removes logs of checks that are older than {@link logsKeptFor}, and the oldest of what is more than {@link
 * logBytesKept}. What cannot be looked at or removed now stays for the next time. Call it when no merge is under way on
 * this host.
 * @param folder the refinery's folder in the state directory: `<rig>/<item>.log` below it.
 * @param limits for tests.
 * @returns the paths that were removed.
 */
export async function removeOldLogs(
  folder: string,
  { now = Date.now(), keptFor = logsKeptFor, bytesKept = logBytesKept } = {},
): Promise<string[]> {
  const logs: { path: string; stats: Stats }[] = [];
  for (const rig of await names(folder)) {
    for (const name of await names(join(folder, rig))) {
      const path = join(folder, rig, name);
      const stats = isLog(name) ? await stat(path).catch(() => undefined) : undefined;
      if (stats?.isFile() === true) logs.push({ path, stats });
    }
  }
  logs.sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs);
  const removed: string[] = [];
  let bytes = 0;
  for (const { path, stats } of logs) {
    bytes += stats.size;
    if (now - stats.mtimeMs <= keptFor && bytes <= bytesKept) continue;
    const gone = await rm(path, { force: true }).then(
      () => true,
      () => false,
    );
    if (gone) removed.push(path);
  }
  return removed;
}

/** A folder that is not there has nothing in it; neither has a file. */
const names = (path: string): Promise<string[]> => readdir(path).catch(() => []);
