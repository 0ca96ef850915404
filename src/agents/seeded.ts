/**
 * A small generator of good quality whose whole state is its seed (mulberry32): the same seed gives the same numbers
 * for ever, so what is made with it can be made again.
 * @returns a function that gives the next number, from 0 up to but not including 1.
 */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
