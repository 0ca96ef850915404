import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm, unlink } from 'node:fs/promises';
import { processAlive, processStartTime } from './process.js';
import type { ProcessIdentity } from './types.js';

/** Holds the lock of an attempt: at most one runner (or reaper) acts on it. */
export interface AttemptLock {
  release(): Promise<void>;
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8')) as Partial<ProcessIdentity>;
    return typeof holder.pid === 'number' && typeof holder.startTime === 'string'
      ? { pid: holder.pid, startTime: holder.startTime }
      : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @returns who holds the lock, if that process is alive. */
export async function lockHolder(path: string): Promise<ProcessIdentity | undefined> {
  const holder = await readHolder(path);
  return holder !== undefined && processAlive(holder.pid, holder.startTime) ? holder : undefined;
}

/**
 * Takes a lock file. The file appears complete or not at all (a link, which like O_EXCL fails when the name exists).
 * That of a dead holder is moved away first, which only one of several takers can do to one and the same file.
 * @returns the lock, or who holds it.
 */
export async function acquireLock(path: string): Promise<AttemptLock | { heldBy: ProcessIdentity }> {
  const me: ProcessIdentity = { pid: process.pid, startTime: processStartTime(process.pid) ?? '' };
  const own = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = await open(own, 'wx', 0o600);
  await file.writeFile(JSON.stringify(me));
  await file.close();
  try {
    for (;;) {
      try {
        await link(own, path);
        return { release: () => releaseLock(path, me) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await lockHolder(path);
      if (holder !== undefined) return { heldBy: holder };
      await moveStaleAway(path, own);
    }
  } finally {
    await unlink(own);
  }
}

async function moveStaleAway(path: string, own: string): Promise<void> {
  const stale = `${own}.stale`;
  try {
    await rename(path, stale);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  // Between the look and the move another taker may have put its fresh lock there: give it back.
  if ((await lockHolder(stale)) !== undefined) await link(stale, path);
  await rm(stale);
}

async function releaseLock(path: string, me: ProcessIdentity): Promise<void> {
  const holder = await readHolder(path);
  if (holder?.pid === me.pid && holder.startTime === me.startTime) await rm(path, { force: true });
}
