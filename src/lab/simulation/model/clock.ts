import type { Clock, Duration } from '../../../testing/index.js';
import { milliseconds } from '../../../testing/duration.js';

/** What an appointment returns that has found nothing to do: nothing has to come to rest after it. */
export const nothingDone = Symbol('nothing done');

interface Appointment {
  at: number;
  order: number;
  run: (() => unknown) | undefined;
}

const before = (a: Appointment, b: Appointment): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/**
 * Time that jumps from one appointment to the next; a binary heap, since most appointments are taken back before they
 * are due.
 */
export class ModelClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #order = 0;
  readonly #heap: Appointment[] = [];

  /** @param settled called after each appointment, when nothing moves any more but by time. */
  constructor(private readonly settled: () => void) {}

  now(): number {
    return this.#now;
  }

  at(instant: number, run: () => unknown): () => void {
    const appointment: Appointment = { at: Math.max(instant, this.#now), order: this.#order++, run };
    this.#push(appointment);
    return () => {
      appointment.run = undefined;
    };
  }

  after(duration: Duration, run: () => unknown): () => void {
    return this.at(this.#now + milliseconds(duration), run);
  }

  async advance(duration: Duration): Promise<void> {
    const target = this.#now + milliseconds(duration);
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > target) break;
      this.#pop();
      if (first.run === undefined) continue;
      this.#now = first.at;
      const done = first.run();
      if (done === nothingDone) continue;
      if (done instanceof Promise) await done;
      await this.settle();
    }
    this.#now = target;
  }

  /** Lets everything happen that takes no time. */
  async settle(): Promise<void> {
    // A macrotask: all chains of promises, also those that nobody awaits, have come to rest by then.
    await new Promise((resolve) => setImmediate(resolve));
    this.settled();
  }

  #push(appointment: Appointment): void {
    const heap = this.#heap;
    let at = heap.push(appointment) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(appointment, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = appointment;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
