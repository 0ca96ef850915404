/**
 * Waits for two things that run side by side, also when one fails: no git process may outlive the mirror's lock.
 * @throws what the first one has thrown, else the second.
 */
export async function bothSettled<A, B>(a: A | Promise<A>, b: B | Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}
