/** The right to start one agent. Held from before the task is polled until the runner counts as living, or nothing was started. */
export interface AgentPermit {
  readonly permit: number;
}

export interface AgentSlotsOptions {
  /** At most so many agents at once. */
  max: number;
  /** Agents that run by themselves: they need no permit and take a place all the same. */
  living: () => number;
}

interface Waiter {
  grant(permit: AgentPermit): void;
}

/**
 * The places for agents on this host. Never more than `max` = living runners + permits held: a start that has become a runner counts
 * twice until its permit comes back, which is the safe side.
 */
export class AgentSlots {
  readonly #held = new Set<number>();
  readonly #waiters: Waiter[] = [];
  #next = 1;
  #obstacle: string | undefined;

  constructor(private readonly options: AgentSlotsOptions) {}

  get max(): number {
    return this.options.max;
  }

  /** Permits that are out, used or not. */
  get held(): number {
    return this.#held.size;
  }

  /** Why none is handed out though there are places; absent when nothing is in the way. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /** Sets or clears what keeps the host from taking work (no room on its disk). */
  setObstacle(text: string | undefined): void {
    this.#obstacle = text;
    this.wake();
  }

  /** @returns a permit when one is free at this moment and nobody waits for it. */
  tryAcquire(): AgentPermit | undefined {
    return this.#waiters.length > 0 ? undefined : this.#take();
  }

  /**
   * Waits for a permit.
   * @param signal ends the waiting; the promise then rejects with its reason.
   * @param first before all who wait already: an attempt that has begun goes on before a new one is taken in.
   */
  acquire(signal: AbortSignal, first = false): Promise<AgentPermit> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        grant: (permit) => {
          signal.removeEventListener('abort', giveUp);
          resolve(permit);
        },
      };
      const giveUp = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      if (first) this.#waiters.unshift(waiter);
      else this.#waiters.push(waiter);
      this.wake();
    });
  }

  /** Gives a permit back. Twice is harmless. */
  release(permit: AgentPermit): void {
    if (this.#held.delete(permit.permit)) this.wake();
  }

  /** To be called when the number of living runners has fallen. */
  wake(): void {
    while (this.#waiters.length > 0) {
      const permit = this.#take();
      if (permit === undefined) return;
      this.#waiters.shift()?.grant(permit);
    }
  }

  #take(): AgentPermit | undefined {
    if (this.#obstacle !== undefined || this.options.living() + this.#held.size >= this.options.max) return undefined;
    const permit = { permit: this.#next++ };
    this.#held.add(permit.permit);
    return permit;
  }
}
