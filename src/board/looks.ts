import type { TownConnection } from '../client/connect.js';
import { Listened, restOf } from './listened.js';
import type { Listeners, Round } from './listened.js';
import { troubleOf } from './town-link.js';
import type { TownLink, Trouble } from './town-link.js';

/** What is told to a page that looks at one thing. */
export type LookNews<T> =
  { event: 'look'; data: T } | { event: 'trouble'; data: Trouble } | { event: 'fine'; data: Record<string, never> };

/** What a page may look at, and how. */
export interface LookedAt<T> {
  /** So often. */
  every: number;
  /** @returns how one of them is looked at, for as long as it is. */
  looker: (id: string) => (town: TownConnection) => Promise<T>;
  /** @returns it without what changes with every look and is no news by itself. */
  stable: (data: T) => unknown;
}

/** Looks at single things (a bead, a convoy) for as long as a page shows them. */
export class Looks<T> extends Listened<LookNews<T>> {
  constructor(link: TownLink, what: LookedAt<T>, log: (line: string) => void) {
    super((id, listeners) => rounds(link, what, what.looker(id), listeners, log), log);
  }
}

function rounds<T>(
  link: TownLink,
  { every, stable }: LookedAt<T>,
  look: (town: TownConnection) => Promise<T>,
  listeners: Listeners<LookNews<T>>,
  log: (line: string) => void,
): Round {
  let last: { text: string; data: T } | undefined;
  let trouble = false;
  listeners.first = () => (last === undefined ? undefined : { event: 'look', data: last.data });
  return async () => {
    const startedAt = Date.now();
    try {
      const data = await look(await link.town());
      if (trouble) listeners.tell({ event: 'fine', data: {} });
      trouble = false;
      const text = JSON.stringify(stable(data));
      if (last?.text !== text) {
        last = { text, data };
        listeners.tell({ event: 'look', data });
      }
      return restOf(every, startedAt);
    } catch (error) {
      trouble = true;
      listeners.tell({ event: 'trouble', data: troubleOf(error, log) });
      await link.closeIfMoved(error);
      return 2 * every;
    }
  };
}
