import { orAborted } from '../../host/or-aborted.js';

/** One holder at a time per key, in the order of asking. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Runs the work as the only one with this key.
   * @param waiting is given the waiting for those before, when there are any, and waits for it.
   * @throws the signal's reason when it is aborted while waiting.
   */
  async run<T>(
    key: string,
    signal: AbortSignal,
    work: () => Promise<T>,
    waiting: (wait: () => Promise<void>) => Promise<void> = (wait) => wait(),
  ): Promise<T> {
    signal.throwIfAborted();
    const before = this.#last.get(key);
    let release: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (release = resolve));
    // Whoever comes next waits for all before: one who gives up its place in the row must not let others pass the
    // holder.
    const mine = (before ?? Promise.resolve()).then(() => turn);
    this.#last.set(key, mine);
    try {
      if (before !== undefined) await waiting(() => orAborted(before, signal));
      return await work();
    } finally {
      release();
      void mine.then(() => {
        if (this.#last.get(key) === mine) this.#last.delete(key);
      });
    }
  }
}
