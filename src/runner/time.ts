import { elapsed } from './instant.js';
import type { Instant } from './instant.js';

/** Takes a timer back; does nothing when it has fired. */
export type Cancel = () => void;

/**
 * The runner's time. Everything in it that waits or asks for the hour does so by this interface: on a host it is that
 * of the system, in the test kit and the simulation that of a fake host under virtual time.
 */
export interface Time {
  /** This moment by both clocks. */
  now(): Instant;
  /** Runs something once, after so many milliseconds. */
  timer(ms: number, run: () => void): Cancel;
  /**
   * Runs something once, as soon as so many milliseconds have passed since `from` by either clock. No plain timer can
   * do that: it knows nothing of a clock on the wall that is set, or that went on while the machine slept.
   */
  alarm(from: Instant, ms: number, run: () => void): Cancel;
}

/**
 * The two clocks are compared so often at least: well within the half minute by which `giveUpAfter` exceeds
 * `leaseFor`.
 */
const compareEveryMs = 1_000;

export const systemTime: Time = {
  now: () => ({ wall: Date.now(), mono: performance.now() }),
  timer: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  alarm: (from, ms, run) => {
    const look = (): void => {
      if (elapsed(from, systemTime.now()) < ms) return;
      clearInterval(timer);
      run();
    };
    const timer = setInterval(look, Math.min(compareEveryMs, ms / 10));
    return () => clearInterval(timer);
  },
};

/** Runs something again and again, each time so many milliseconds after the last. */
export function every(time: Time, ms: number, run: () => void): Cancel {
  let cancel: Cancel = () => undefined;
  const arm = (): void => {
    cancel = time.timer(ms, () => {
      arm();
      run();
    });
  };
  arm();
  return () => cancel();
}

/** Resolves after so many milliseconds. */
export const sleep = (time: Time, ms: number): Promise<void> => new Promise((resolve) => void time.timer(ms, resolve));
