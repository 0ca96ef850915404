import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { isMissing } from '../../edge/errors.js';
import { holderState, nearnessOf, ownProcess, touchedAt } from '../processes/process-place.js';
import type { PlacedProcess } from '../processes/process-place.js';

/** Holds the lock of an attempt: at most one runner (or reaper) acts on it. */
export interface AttemptLock {
  /** A sign of life for those who cannot see this process: another machine, or another container. */
  renew(): Promise<void>;
  release(): Promise<void>;
}

/** What the lock's file holds. */
export interface AttemptLockHolder extends PlacedProcess {
  /** Milliseconds of silence after which the holder's right to act is over, wherever it runs. */
  leaseFor?: number;
}

/** Whether anybody acts on an attempt. */
export type LockState =
  | { state: 'free' }
  | { state: 'held'; by: AttemptLockHolder }
  /** Its holder cannot be seen from here; it may live until its lease is over. */
  | { state: 'unknown'; by: AttemptLockHolder; until: number };

/** The lease of a lock that does not name one, in milliseconds: `leaseFor` is as long by default. */
const defaultLease = 10 * 60_000;
/** A runner in another container that has missed three beats is asked for by its socket, which is of this kernel. */
const silentBeside = 30_000;
/** By so much two machines' clocks may differ; `doctor` finds fault with more. */
const clockTolerance = 30_000;

/** @returns undefined when there is no lock, or none that can be read: a holder that lives has written a whole one. */
async function readHolder(path: string): Promise<AttemptLockHolder | undefined> {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8')) as Partial<AttemptLockHolder> | null;
    return typeof holder?.pid === 'number' && typeof holder.startTime === 'string'
      ? (holder as AttemptLockHolder)
      : undefined;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @returns whether anybody holds the lock. */
export async function lookAtLock(path: string): Promise<LockState> {
  const by = await readHolder(path);
  if (by === undefined) return { state: 'free' };
  const silence = (by.leaseFor ?? defaultLease) + clockTolerance;
  switch (await holderState(path, by, silence)) {
    case 'dead':
      return { state: 'free' };
    case 'alive':
      return { state: 'held', by };
    case 'unknown': {
      const touched = (await touchedAt(path)) ?? Date.now();
      if (nearnessOf(by) === 'beside' && Date.now() - touched > silentBeside) {
        const listening = await isListening(join(dirname(path), 'control.sock'));
        if (listening !== undefined) return listening ? { state: 'held', by } : { state: 'free' };
      }
      return { state: 'unknown', by, until: touched + silence };
    }
  }
}

/** @returns whether a process listens at a socket, which the kernel knows; undefined when there is no socket to ask. */
function isListening(path: string): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answered = (answer: boolean | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => answered(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => answered(code === 'ECONNREFUSED' ? false : undefined));
  });
}

/**
 * Takes a lock file. The file appears complete or not at all (a link, which like O_EXCL fails when the name exists).
 * That of a dead holder is moved away first, which only one of several takers can do to one and the same file.
 * @param leaseFor milliseconds after its last sign of life for which the holder is believed to act, by those who cannot
 * see it.
 * @returns the lock, or who holds it.
 */
export async function acquireLock(
  path: string,
  leaseFor: number,
): Promise<AttemptLock | { heldBy: AttemptLockHolder }> {
  const me: AttemptLockHolder = { ...ownProcess(), leaseFor };
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(me));
    } finally {
      await file.close();
    }
    for (;;) {
      try {
        await link(draft, path);
        return { renew: () => renewLock(path, me), release: () => releaseLock(path, me) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const found = await lookAtLock(path);
      if (found.state !== 'free') return { heldBy: found.by };
      await moveStaleAway(path, draft);
    }
  } finally {
    // Also after a full disk has refused its content: a lock that cannot be taken leaves nothing behind.
    await rm(draft, { force: true });
  }
}

async function moveStaleAway(path: string, draft: string): Promise<void> {
  const stale = `${draft}.stale`;
  try {
    await rename(path, stale);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  // Between the look and the move another taker may have put its fresh lock there: give it back.
  if ((await lookAtLock(stale)).state !== 'free') await link(stale, path);
  await rm(stale);
}

const isMine = (holder: AttemptLockHolder | undefined, me: AttemptLockHolder): boolean =>
  holder?.pid === me.pid && holder.startTime === me.startTime && holder.boot === me.boot;

async function renewLock(path: string, me: AttemptLockHolder): Promise<void> {
  if (isMine(await readHolder(path), me)) await utimes(path, new Date(), new Date());
}

async function releaseLock(path: string, me: AttemptLockHolder): Promise<void> {
  if (isMine(await readHolder(path), me)) await rm(path, { force: true });
}
