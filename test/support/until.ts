import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until there is something to see.
 * @param limit milliseconds after which an event on a busy machine with two cores is believed never to come; only a
 * test that is broken waits that long.
 * @param longest milliseconds between two looks that a long wait comes to: each look at a bead is work for its server and
 * its worker, which what is waited for needs as well.
 * @returns what was seen. @throws Error that says what was waited for, and what was seen last.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limit = 60_000,
  longest = 30,
): Promise<T> {
  const begin = performance.now();
  const end = begin + limit;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    await sleep(Math.min(30 + (performance.now() - begin) / 20, longest));
  }
  throw new Error(`waited ${limit} ms in vain for: ${what}; last: ${String(last)}`, { cause: last });
}
