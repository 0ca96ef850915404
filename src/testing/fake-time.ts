import { elapsed } from '../runner/instant.js';
import type { Instant } from '../runner/instant.js';
import type { Cancel, Time } from '../runner/time.js';
import type { FakeProcess } from './fake-process.js';

/**
 * A fake host's clocks tick so coarsely: what its processes do within the same second they do at once, since every stop
 * of virtual time costs real time.
 */
export const tickMs = 1_000;

/** What a host's clocks show. */
export interface HostClocks {
  readonly clock: { now(): number };
  /** Milliseconds by which its wall clock differs from virtual time. */
  readonly clockOff: number;
}

/** The time of a runner on a fake host; timers of a process that is dead never fire. */
export class FakeTime implements Time {
  readonly #alarms = new Set<() => void>();

  constructor(
    private readonly host: HostClocks,
    private readonly process: Pick<FakeProcess, 'at'>,
  ) {}

  now(): Instant {
    const mono = Math.floor(this.host.clock.now() / tickMs) * tickMs;
    return { wall: mono + this.host.clockOff, mono };
  }

  timer(ms: number, run: () => void): Cancel {
    const now = this.host.clock.now();
    // A tick late rather than early: nobody is killed before the grace that was promised is over. What is due already
    // is not put off, or a beat of the same second came before it.
    return this.process.at(ms <= 0 ? now : Math.ceil((now + ms) / tickMs) * tickMs, run);
  }

  alarm(from: Instant, ms: number, run: () => void): Cancel {
    const left = (): number => Math.max(ms - elapsed(from, this.now()), 0);
    let cancel: Cancel = () => undefined;
    const arm = (): void => {
      cancel();
      cancel = this.timer(left(), () => {
        if (left() > 0) return arm();
        this.#alarms.delete(arm);
        run();
      });
    };
    this.#alarms.add(arm);
    arm();
    return () => {
      this.#alarms.delete(arm);
      cancel();
    };
  }

  /** Somebody has set the clock on the wall. */
  clockMoved(): void {
    for (const arm of this.#alarms) arm();
  }
}
