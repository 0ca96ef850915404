import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from '../edge/errors.js';

/**
 * Git holds a lock file for milliseconds. One that is 10 s old belongs to a process that was killed (or to a frozen
 * one, whose write to a remote-tracking ref or the configuration is made good by the next update).
 */
export const staleLockAge = 10_000;
/** A pack that has been received for 6 h without a byte more will never be complete. */
const stalePackAge = 6 * 3_600_000;

/**
 * Removes what a killed git command has left in a mirror: lock files of what the mirror's own commands write, and
 * half-received packs. Waits for a lock that is too young to tell. Locks under `worktrees/` and of `refs/heads/` belong
 * to agents and are left alone. Call it under the mirror's lock.
 */
export async function removeLeftovers(mirror: string, signal?: AbortSignal): Promise<void> {
  const locks = ['HEAD.lock', 'config.lock', 'packed-refs.lock', 'shallow.lock'].map((name) => join(mirror, name));
  for (const tree of ['refs/remotes', 'refs/tags']) {
    for (const entry of await list(join(mirror, tree), true)) if (entry.endsWith('.lock')) locks.push(entry);
  }
  for (const lock of locks) await removeStaleLock(lock, signal);
  for (const entry of await list(join(mirror, 'objects', 'pack'), false)) {
    if (/\/(?:tmp_|\.tmp-)[^/]*$/.test(entry) && (await age(entry)) > stalePackAge) await rm(entry, { force: true });
  }
  // Where git keeps what is being pushed until all of it is there.
  for (const entry of await list(join(mirror, 'objects'), false)) {
    if (/\/(?:tmp_objdir-)?incoming-[^/]*$/.test(entry) && (await age(entry)) > stalePackAge)
      await rm(entry, { recursive: true, force: true });
  }
}

/** Removes a lock file once it is older than `staleLockAge`, unless it goes by itself. */
export async function removeStaleLock(lock: string, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const old = await age(lock);
    if (old === -1) return;
    if (old > staleLockAge) break;
    await sleep(Math.min(250, staleLockAge - old + 1), undefined, signal === undefined ? {} : { signal });
  }
  await rm(lock, { force: true });
}

/**
 * @returns milliseconds since the last change; -1 when it is not there. A time in the future (the clock was set back)
 * counts as old.
 */
async function age(file: string): Promise<number> {
  try {
    const ms = Date.now() - (await stat(file)).mtimeMs;
    return ms < -staleLockAge ? Infinity : Math.max(0, ms);
  } catch (error) {
    if (isMissing(error)) return -1;
    throw error;
  }
}

async function list(folder: string, recursive: boolean): Promise<string[]> {
  try {
    return (await readdir(folder, { recursive })).map((name) => join(folder, name));
  } catch (error) {
    // A mirror without such a folder has no such leftovers; a ref's folder may go while an agent prunes.
    if (isMissing(error)) return [];
    throw error;
  }
}
