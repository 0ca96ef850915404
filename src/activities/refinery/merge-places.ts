/** The right to ask the server for one merge, and to do it. */
export interface MergePermit {
  readonly permit: number;
}

/**
 * The places for merges on this host. A merge that only waits until another one into the same target has ended takes
 * none: it has been given to this host, but two rigs of one repository must not keep those of all others waiting.
 */
export class MergePlaces {
  readonly #permits = new Set<number>();
  readonly #waiting: ((permit: MergePermit) => void)[] = [];
  #aside = 0;
  #next = 1;

  /** @param max so many merges are at work at once. */
  constructor(private readonly max: number) {}

  /** @returns a permit when one is free at this moment and nobody waits for it. */
  tryReserve(): MergePermit | undefined {
    return this.#waiting.length > 0 ? undefined : this.#take();
  }

  /** Waits for a permit. @param signal ends the waiting; the promise then rejects with its reason. */
  async reserve(signal: AbortSignal): Promise<MergePermit> {
    signal.throwIfAborted();
    return new Promise<MergePermit>((resolve, reject) => {
      const mine = (permit: MergePermit): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(permit);
      };
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(mine), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(mine);
      this.#wake();
    });
  }

  /** Gives a permit back. Twice is harmless. */
  release({ permit }: MergePermit): void {
    if (this.#permits.delete(permit)) this.#wake();
  }

  /** Lets another merge have the place of one that waits. @throws what the waiting throws. */
  async aside<T>(wait: () => Promise<T>): Promise<T> {
    this.#aside += 1;
    this.#wake();
    try {
      return await wait();
    } finally {
      // Nothing is taken back: whoever it waited for is about to give back its own place.
      this.#aside -= 1;
    }
  }

  #take(): MergePermit | undefined {
    if (this.#permits.size - this.#aside >= this.max) return undefined;
    const permit = this.#next++;
    this.#permits.add(permit);
    return { permit };
  }

  #wake(): void {
    while (this.#waiting.length > 0) {
      const permit = this.#take();
      if (permit === undefined) return;
      this.#waiting.shift()?.(permit);
    }
  }
}
