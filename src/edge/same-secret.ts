import { createHash, timingSafeEqual } from 'node:crypto';

/** @returns whether a secret that came in is the right one; takes as long for any two texts. */
export function sameSecret(given: string, right: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(right));
}
