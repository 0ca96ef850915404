import { BeadNotFoundError, FleetNotFoundError, NoWorkerError } from '../client/errors.js';

/** @returns the answers in the order of the items, a few asked at once. */
export async function eachOf<I, T>(items: readonly I[], atOnce: number, ask: (item: I) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) answers[index] = await ask(items[index] as I);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return answers;
}

/**
 * Puts questions as long as there is time, so that a look at a large town has an end.
 * @returns by item, what `ask` answered. Items that are missing were not asked, or cut short by the end of the time.
 */
export async function askedInTime<I, T>(
  items: readonly I[],
  { atOnce, until, patience }: { atOnce: number; until: number; patience: number },
  ask: (item: I, patience: number) => Promise<T | undefined>,
): Promise<Map<I, T | undefined>> {
  const answers = new Map<I, T | undefined>();
  await eachOf(items, atOnce, async (item) => {
    const left = until - Date.now();
    if (left <= 0) return;
    const answer = await ask(item, Math.min(patience, left));
    // A silence that was shorter than the patience with others is no finding.
    if (answer !== undefined || left >= patience) answers.set(item, answer);
  });
  return answers;
}

/** @returns an answer; undefined of what has just ended or does not answer, which is a finding of its own. */
export async function answerOf<T>(question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question();
  } catch (error) {
    if (error instanceof NoWorkerError || error instanceof BeadNotFoundError || error instanceof FleetNotFoundError)
      return undefined;
    throw error;
  }
}
