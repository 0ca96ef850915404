import { durationText } from '../domain/words.js';

/** Often enough to show that something happens, seldom enough to keep a log readable. */
const everyMs = 15_000;

/**
 * While `action` runs, logs a line with the elapsed time every 15 seconds.
 * @param text called for each line; gets the elapsed time as people write it.
 */
export async function withProgress<T>(
  log: (line: string) => void,
  text: (elapsed: string) => string,
  action: () => Promise<T>,
): Promise<T> {
  const started = Date.now();
  const timer = setInterval(() => log(text(durationText(Date.now() - started))), everyMs);
  try {
    return await action();
  } finally {
    clearInterval(timer);
  }
}
