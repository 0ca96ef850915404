import { writeSync } from 'node:fs';

const standardError = 2;

/**
 * Says something on standard error and cannot throw: for the last resorts, which run when the log cannot be written any
 * more. Standard error lies on the same disk as the log, as a rule, and may be just as full.
 */
export function complain(text: string): void {
  try {
    writeSync(standardError, `${text}\n`);
  } catch {
    // There is nowhere left to say it, and it is no reason to end.
  }
}

/** @returns what an error says for people who have nothing but a log: its stack, where it has one. */
export const errorText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
