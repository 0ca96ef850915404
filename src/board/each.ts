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
