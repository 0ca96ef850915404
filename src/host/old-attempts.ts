import { stat } from 'node:fs/promises';
import { isMissing } from '../edge/errors.js';
import { AttemptDir } from '../runner/index.js';
import type { Host } from './host.js';

/** As long as the logs of checks: an attempt has been looked at within a month of its end, or nobody ever will. */
export const attemptsKeptFor = 30 * 24 * 3_600_000;

/**
 * Removes the folders of attempts that were tidied a month ago: there is nothing in them but logs and the result, their
 * bead has ended, and no worktree is left. What cannot be removed now stays for the next time.
 * @param limits for tests.
 * @returns the paths that were removed.
 */
export async function removeOldAttempts(
  host: Host,
  { now = Date.now(), keptFor = attemptsKeptFor } = {},
): Promise<string[]> {
  const removed: string[] = [];
  for (const dir of await AttemptDir.list(host.home)) {
    const tidied = await stat(dir.file('tidied')).catch(() => undefined);
    if (tidied === undefined || now - tidied.mtimeMs <= keptFor || (await isThere(dir.worktree))) continue;
    const turn = host.turns.tryTake(dir);
    if (turn === undefined) continue;
    try {
      await dir.remove();
      removed.push(dir.path);
    } catch (error) {
      host.logger.warn({ err: error, folder: dir.path }, 'an old folder of an attempt could not be removed');
    } finally {
      turn.end();
    }
  }
  return removed;
}

/** A tree that cannot be looked at may be there: its folder stays. */
const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => !isMissing(error),
  );
