import type { Duration } from './duration.js';

/**
 * What the fakes need of a clock: its time, and appointments. `VirtualClock` is one over a server; the simulation has
 * one of its own.
 */
export interface Clock {
  /** Virtual milliseconds since the epoch. */
  now(): number;
  /** Runs something at a virtual instant. @returns a function that takes the appointment back. */
  at(instant: number, run: () => unknown): () => void;
  /** Likewise, after a time. */
  after(duration: Duration, run: () => unknown): () => void;
}
