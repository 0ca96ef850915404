import { resolve } from 'node:path';
import { Mutex } from 'async-mutex';
import { noticingDamage } from './mirror-damage.js';
import { secureMirror } from './secure-mirror.js';

const mutexes = new Map<string, Mutex>();

/**
 * Runs the work in a mirror that has been secured, under its lock; damage that the work meets is marked for the next
 * update.
 * @throws what the work throws; GitError; the signal's reason when it is aborted while waiting.
 */
export const withMirror = <T>(mirror: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> =>
  withMirrorLock(mirror, signal, () =>
    noticingDamage(mirror, async () => {
      await secureMirror(mirror);
      return work();
    }),
  );

/**
 * Runs the work while no other of this process changes the same mirror. That is enough: one worker process holds a
 * state directory, and runners and agents touch only refs and worktrees of their own attempts, which git's locks guard.
 * @throws the signal's reason when it is aborted while waiting.
 */
export async function withMirrorLock<T>(
  mirror: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const key = resolve(mirror);
  const mutex = mutexes.get(key) ?? new Mutex();
  mutexes.set(key, mutex);
  const release = await acquire(mutex, signal);
  try {
    return await work();
  } finally {
    release();
  }
}

async function acquire(mutex: Mutex, signal: AbortSignal | undefined): Promise<() => void> {
  signal?.throwIfAborted();
  const turn = mutex.acquire();
  if (signal === undefined) return turn;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<'aborted'>((settle) => {
    onAbort = () => settle('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
  });
  const first = await Promise.race([turn, aborted]);
  if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  if (first !== 'aborted') return first;
  // The turn still comes: it is passed on at once.
  void turn.then((release) => release());
  throw signal.reason;
}
