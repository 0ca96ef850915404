/**
 * A moment by two clocks. The wall clock can be set back, which would lengthen a lease; the monotonic one stands still
 * while a machine sleeps, which would as well. So time passes as fast as the faster of them says.
 */
export interface Instant {
  wall: number;
  mono: number;
}

/** @returns milliseconds between two moments, never too few. */
export const elapsed = (from: Instant, to: Instant): number => Math.max(to.wall - from.wall, to.mono - from.mono);
