import { troubleOf } from './town-link.js';
import type { TownLink, Trouble } from './town-link.js';
import type { Town } from '../client/connect.js';

/** What is told to a page that looks at one thing. */
export type LookNews<T> =
  { event: 'look'; data: T } | { event: 'trouble'; data: Trouble } | { event: 'fine'; data: Record<string, never> };

interface Shared<T> {
  tell: Set<(news: LookNews<T>) => void>;
  last?: { text: string; data: T };
  loop: Promise<void>;
  wake?: () => void;
}

/**
 * Looks at single things (a bead, a convoy) again and again for as long as a page shows them; one loop however many
 * pages do.
 */
export class Looks<T> {
  readonly #link: TownLink;
  readonly #every: number;
  readonly #log: (line: string) => void;
  readonly #looker: (id: string) => (town: Town) => Promise<T>;
  /** What changes with every look and is no news by itself. */
  readonly #stable: (data: T) => unknown;
  readonly #shared = new Map<string, Shared<T>>();

  constructor(
    link: TownLink,
    every: number,
    looker: (id: string) => (town: Town) => Promise<T>,
    stable: (data: T) => unknown,
    log: (line: string) => void,
  ) {
    this.#log = log;
    this.#link = link;
    this.#every = every;
    this.#looker = looker;
    this.#stable = stable;
  }

  subscribe(id: string, tell: (news: LookNews<T>) => void): () => void {
    let shared = this.#shared.get(id);
    if (shared === undefined) {
      const made: Shared<T> = { tell: new Set([tell]), loop: Promise.resolve() };
      this.#shared.set(id, made);
      made.loop = this.#run(id, made);
      shared = made;
    } else {
      shared.tell.add(tell);
      if (shared.last !== undefined) tell({ event: 'look', data: shared.last.data });
    }
    const { tell: all } = shared;
    return () => {
      all.delete(tell);
      if (all.size > 0) return;
      // The loop ends at its next turn; who comes back meanwhile begins anew.
      if (this.#shared.get(id)?.tell === all) this.#shared.delete(id);
      shared.wake?.();
    };
  }

  lookSoon(id: string): void {
    this.#shared.get(id)?.wake?.();
  }

  async end(): Promise<void> {
    const all = [...this.#shared.values()];
    this.#shared.clear();
    for (const shared of all) {
      shared.tell.clear();
      shared.wake?.();
    }
    await Promise.all(all.map(({ loop }) => loop));
  }

  async #run(id: string, shared: Shared<T>): Promise<void> {
    const look = this.#looker(id);
    let trouble = false;
    while (shared.tell.size > 0) {
      try {
        const data = await look(await this.#link.town());
        if (trouble) for (const tell of shared.tell) tell({ event: 'fine', data: {} });
        trouble = false;
        const text = JSON.stringify(this.#stable(data));
        if (shared.last?.text !== text) {
          shared.last = { text, data };
          for (const tell of shared.tell) tell({ event: 'look', data });
        }
      } catch (error) {
        trouble = true;
        const data = troubleOf(error, this.#log);
        for (const tell of shared.tell) tell({ event: 'trouble', data });
        await this.#link.look(error);
      }
      if (shared.tell.size > 0) await this.#pause(shared, trouble ? 2 * this.#every : this.#every);
    }
  }

  #pause(shared: Shared<T>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        delete shared.wake;
        resolve();
      };
      const timer = setTimeout(done, ms);
      shared.wake = done;
    });
  }
}
