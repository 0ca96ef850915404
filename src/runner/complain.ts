import { writeSync } from 'node:fs';

const standardError = 2;

/** A reader that is slow for a moment loses nothing; one that never reads must not hold us up. */
const patience = 1_000;
const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Says something on standard error and cannot throw: for logs and last resorts, none of which is a reason to end.
 * Standard error lies on the same disk as the runner's log, as a rule, and may be just as full.
 */
export function complain(text: string): void {
  let left = Buffer.from(`${text}\n`);
  const until = performance.now() + patience;
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(standardError, left));
    } catch (error) {
      // A pipe whose reader is behind; everything else is for good.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > until) return;
      Atomics.wait(pause, 0, 0, 10);
    }
  }
}

/** @returns what an error says for people who have nothing but a log: its stack, where it has one. */
export const errorTrace = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
