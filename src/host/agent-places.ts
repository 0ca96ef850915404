import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The right to ask the server for one more start. Held from before the poll until the task that came is finished, or
 * none came.
 */
export interface PollPermit {
  readonly permit: number;
}

/** A place that a start has taken, until its runner counts as living or nothing was started. */
export interface AgentPlace {
  readonly place: number;
  /** The start came by a poll, so that a permit stands for the same place. */
  readonly polled: boolean;
}

export interface AgentPlacesOptions {
  /** At most so many agents at once. */
  max: number;
  /** Agents that run already. */
  living: () => number;
}

interface Waiter {
  polled: boolean;
  grant(place: AgentPlace): void;
}

/**
 * The places for agents on this host. Two gates:
 *
 * - {@link enter} is the limit itself: never more than `max` = living runners + starts on their way.
 * - {@link reserve} keeps the worker from asking for a task that would have to wait here while another host is free.
 * The SDK keeps a permit or two in hand while its polls wait; an interrupted start passes those by.
 */
export class AgentPlaces {
  readonly #permits = new Set<number>();
  readonly #places = new Set<number>();
  #polledPlaces = 0;
  readonly #entering: Waiter[] = [];
  readonly #reserving: ((permit: PollPermit) => void)[] = [];
  readonly #quiet = new Set<() => void>();
  #next = 1;
  #obstacle: string | undefined;

  constructor(private readonly options: AgentPlacesOptions) {}

  get max(): number {
    return this.options.max;
  }

  /** Starts on their way. */
  get starting(): number {
    return this.#places.size;
  }

  /** Permits that are out, used or not. */
  get permits(): number {
    return this.#permits.size;
  }

  /** Why no task is asked for though there are places; absent when nothing is in the way. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /** Sets or clears what keeps the host from taking work (no room on its disk). */
  setObstacle(text: string | undefined): void {
    this.#obstacle = text;
    this.wake();
  }

  /** @returns a permit when one is free at this moment and nobody waits for it. */
  tryReserve(): PollPermit | undefined {
    return this.#reserving.length > 0 ? undefined : this.#takePermit();
  }

  /**
   * Waits for a permit.
   * @param signal ends the waiting; the promise then rejects with its reason.
   */
  reserve(signal: AbortSignal): Promise<PollPermit> {
    return this.#wait(this.#reserving, signal, (resolve: (permit: PollPermit) => void) => resolve);
  }

  /** Gives a permit back. Twice is harmless. */
  release(permit: PollPermit): void {
    if (this.#permits.delete(permit.permit)) this.wake();
  }

  /**
   * Waits for a place.
   * @param polled whether the start came by a poll. One that did not is an attempt that had begun before, and goes
   * first.
   * @param signal ends the waiting; the promise then rejects with its reason.
   */
  enter(polled: boolean, signal: AbortSignal): Promise<AgentPlace> {
    return this.#wait(
      this.#entering,
      signal,
      (grant: (place: AgentPlace) => void): Waiter => ({ polled, grant }),
      !polled,
    );
  }

  /**
   * What can wait takes no processor and no disk from a start.
   * @param atMost milliseconds; a clone may take minutes, and nothing is to be put off for ever.
   * @returns when no start is on its way, or after that time.
   */
  async betweenStarts(atMost = 10_000): Promise<void> {
    if (this.#places.size === 0) return;
    const over = new AbortController();
    const none = (): void => over.abort();
    this.#quiet.add(none);
    await sleep(atMost, undefined, { signal: over.signal }).catch(() => undefined);
    this.#quiet.delete(none);
  }

  /** Gives a place back. Twice is harmless. */
  leave(place: AgentPlace): void {
    if (!this.#places.delete(place.place)) return;
    if (place.polled) this.#polledPlaces -= 1;
    if (this.#places.size === 0) for (const none of this.#quiet) none();
    this.wake();
  }

  /** To be called when the number of living runners has fallen. */
  wake(): void {
    while (this.#entering.length > 0 && this.options.living() + this.#places.size < this.options.max) {
      const { polled, grant } = this.#entering.shift() as Waiter;
      const place = { place: this.#next++, polled };
      this.#places.add(place.place);
      if (polled) this.#polledPlaces += 1;
      grant(place);
    }
    while (this.#reserving.length > 0) {
      const permit = this.#takePermit();
      if (permit === undefined) return;
      this.#reserving.shift()?.(permit);
    }
  }

  #takePermit(): PollPermit | undefined {
    // A start that has entered by a permit is counted by its place.
    const waitingPermits = this.#permits.size - this.#polledPlaces;
    if (this.#obstacle !== undefined || this.options.living() + this.#places.size + waitingPermits >= this.options.max)
      return undefined;
    const permit = { permit: this.#next++ };
    this.#permits.add(permit.permit);
    return permit;
  }

  #wait<T, W>(line: W[], signal: AbortSignal, waiter: (resolve: (value: T) => void) => W, first = false): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return new Promise<T>((resolve, reject) => {
      const mine = waiter((value) => {
        signal.removeEventListener('abort', giveUp);
        resolve(value);
      });
      const giveUp = (): void => {
        line.splice(line.indexOf(mine), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      if (first) line.unshift(mine);
      else line.push(mine);
      this.wake();
    });
  }
}
