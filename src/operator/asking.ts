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
