import { orAborted } from '../../host/or-aborted.js';

/** One holder at a time per key, in the order of asking. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<void>>();

  /** @returns whether somebody holds the key or waits for it. */
  busy(key: string): boolean {
    return this.#last.has(key);
  }

  /** Runs the work as the only one with this key. @throws the signal's reason when it is aborted while waiting. */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const before = this.#last.get(key);
    let release: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (release = resolve));
    // Whoever comes next waits for all before: one who gives up its place in the row must not let others pass the
    // holder.
    const mine = (before ?? Promise.resolve()).then(() => turn);
    this.#last.set(key, mine);
    try {
      if (before !== undefined) await orAborted(before, signal);
      return await work();
    } finally {
      release();
      void mine.then(() => {
        if (this.#last.get(key) === mine) this.#last.delete(key);
      });
    }
  }
}
