import { setTimeout as sleep } from 'node:timers/promises';

/** Sleeps, but not longer than until the run is broken off. */
export async function rest(ms: number, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return;
  await sleep(Math.max(0, ms), undefined, { signal: stop }).catch((error: unknown) => {
    if (!stop.aborted) throw error;
  });
}

/**
 * Waits until there is something to see.
 * @returns what was seen; undefined after `limit` milliseconds, or when the run is broken off.
 */
export async function seenWithin<T>(
  limit: number,
  stop: AbortSignal,
  look: () => T | undefined | Promise<T | undefined>,
  every = 200,
): Promise<T | undefined> {
  for (const end = performance.now() + limit; !stop.aborted;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() >= end) return undefined;
    await rest(every, stop);
  }
  return undefined;
}
