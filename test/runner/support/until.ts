import { setTimeout as sleep } from 'node:timers/promises';

/** An event on a busy machine with two cores; only a test that is broken waits that long. */
const LIMIT_MS = 60_000;

/** Waits until there is something to see. @returns what was seen. @throws Error that says what was waited for, and what was seen last. */
export async function until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const limit = performance.now() + LIMIT_MS;
  let last: unknown;
  while (performance.now() < limit) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    await sleep(30);
  }
  throw new Error(`waited in vain for: ${what}`, { cause: last });
}
