import type { BeadSummary } from '../client/list.js';
import type { BeadView } from '../contract/index.js';
import type { Card, ConvoyRow, Front, HostsPart, RigRow, ShownProblem } from './api-types.js';
import { cardOf } from './front-rows.js';
import type { Trouble } from './town-link.js';

/** What is told to those who look: everything at first, then what has changed. */
export type FleetNews =
  | { event: 'front'; data: Front }
  | { event: 'cards'; data: Pick<Front, 'cards' | 'landedToday' | 'more' | 'reading'> & { gone: string[] } }
  | { event: 'problems'; data: ShownProblem[] }
  | { event: 'hosts'; data: HostsPart }
  | { event: 'rigs'; data: RigRow[] }
  | { event: 'convoys'; data: ConvoyRow[] }
  | { event: 'trouble'; data: Trouble }
  | { event: 'fine'; data: Record<string, never> };

/** The front but for its cards, which are kept here. */
export type FrontParts = Omit<Front, 'cards' | 'landedToday' | 'now'>;

const partNames = ['problems', 'hosts', 'rigs', 'convoys'] as const;

interface Told {
  /** What the card was made from: neither is ever changed, only replaced. */
  summary: BeadSummary;
  view: BeadView | undefined;
  card: Card;
  text: string;
}

/** What a front has become since it was told last. */
export class FrontNews {
  #cards = new Map<string, Told>();
  #parts: Partial<Record<(typeof partNames)[number], string>> = {};
  #front: Omit<Front, 'cards'> | undefined;

  /** @returns everything as it was taken last, if it ever was. */
  whole(): FleetNews | undefined {
    const cards = [...this.#cards.values()].map(({ card }) => card);
    return this.#front && { event: 'front', data: { ...this.#front, cards } };
  }

  /** @returns what has to be told to those who know what was taken before; everything the first time. */
  take(
    beads: ReadonlyMap<string, BeadSummary>,
    viewOf: (bead: string) => BeadView | undefined,
    parts: FrontParts,
    now = Date.now(),
  ): FleetNews[] {
    const { changed, gone } = this.#takeCards(beads, viewOf);
    const midnight = new Date(now).setHours(0, 0, 0, 0);
    const landedToday = [...beads.values()].filter(
      ({ status, closedAt }) => status === 'closed' && (closedAt ?? 0) >= midnight,
    ).length;
    const before = this.#front;
    this.#front = { ...parts, landedToday, now };
    const news: FleetNews[] = [];
    const { more, reading } = parts;
    if (changed.length > 0 || gone.length > 0 || more !== before?.more || reading !== before.reading)
      news.push({ event: 'cards', data: { cards: changed, gone, landedToday, more, reading } });
    for (const event of partNames) {
      const text = JSON.stringify(parts[event]);
      if (this.#parts[event] === text) continue;
      this.#parts[event] = text;
      news.push({ event, data: parts[event] } as FleetNews);
    }
    const whole = before === undefined ? this.whole() : undefined;
    return whole === undefined ? news : [whole];
  }

  #takeCards(
    beads: ReadonlyMap<string, BeadSummary>,
    viewOf: (bead: string) => BeadView | undefined,
  ): { changed: Card[]; gone: string[] } {
    const before = this.#cards;
    const changed: Card[] = [];
    this.#cards = new Map();
    for (const [bead, summary] of beads) {
      const known = before.get(bead);
      const view = viewOf(bead);
      // Thousands of cards that have not changed are not written down again with every look.
      if (known?.summary === summary && known.view === view) {
        this.#cards.set(bead, known);
        continue;
      }
      const card = cardOf(summary, view);
      const text = JSON.stringify(card);
      this.#cards.set(bead, { summary, view, card, text });
      if (known?.text !== text) changed.push(card);
    }
    return { changed, gone: [...before.keys()].filter((bead) => !beads.has(bead)) };
  }
}
