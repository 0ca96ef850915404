import type { StandInState } from './stand-in-bead.js';

/** How many of these attempts ran at the same time, at most. */
export function mostAtOnce(states: StandInState[]): number {
  const edges = states.flatMap(({ ran }) =>
    ran.flatMap(
      ({ from, to }) =>
        [
          [from, 1],
          [to ?? Infinity, -1],
        ] as [number, number][],
    ),
  );
  // At one instant, ends before beginnings: a slot is given on in the moment it comes back.
  edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  return edges.reduce((most, [, change]) => Math.max(most, (now += change)), 0);
}
