/** Which cards stand in which column of the front, and in what order. @module */
import type { Card } from '../api-types.js';

export const columns = [
  { id: 'open', name: 'Open', hint: 'nothing waits: heartbead sling, or “Sling” above' },
  { id: 'in_progress', name: 'In progress', hint: 'no agent is at work' },
  { id: 'in_review', name: 'In review', hint: 'nothing waits for a review or a merge' },
  { id: 'blocked', name: 'Blocked', hint: 'nobody waits for a person' },
  { id: 'landed', name: 'Landed today', hint: 'nothing has landed since midnight' },
] as const;
export type Column = (typeof columns)[number]['id'];

/** Cards of a column that are drawn at first; the others come on demand. */
export const drawnAtFirst = 60;

export const columnOf = ({ status }: Card): Column => {
  switch (status) {
    case 'in_progress':
    case 'in_review':
    case 'blocked':
    case 'open':
      return status;
    default:
      return 'landed';
  }
};

export interface Filters {
  text: string;
  rig: string;
  convoy: string;
  host: string;
}
export const filtersOf = (search: string): Filters => {
  const query = new URLSearchParams(search);
  const of = (name: string): string => query.get(name) ?? '';
  return { text: of('text'), rig: of('rig'), convoy: of('convoy'), host: of('host') };
};

/** Thousands of cards are not written in small letters again for each letter that is typed, and each that changes. */
const written = new WeakMap<Card, string>();

function wordsOf(card: Card): string {
  const known = written.get(card);
  if (known !== undefined) return known;
  const { bead, title, rig = '', adapter = '', more } = card;
  const words = `${bead} ${title} ${rig} ${adapter} ${more?.doing ?? ''}`.toLowerCase();
  written.set(card, words);
  return words;
}

export function matches(card: Card, { text, rig, convoy, host }: Filters): boolean {
  if (rig !== '' && card.rig !== rig) return false;
  if (convoy !== '' && card.convoy !== convoy) return false;
  if (host !== '' && card.more?.host !== host) return false;
  if (text === '') return true;
  const words = wordsOf(card);
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => words.includes(word));
}

/**
 * What landed last stands first, and what was slung last, since it is what somebody looks for, and older ones may still
 * be on their way; elsewhere what waits longest.
 */
export function inOrder(column: Column, cards: Card[]): Card[] {
  const byAge = (a: Card, b: Card): number => a.startedAt - b.startedAt || (a.bead < b.bead ? -1 : 1);
  switch (column) {
    case 'landed':
      return cards.sort((a, b) => (b.closedAt ?? 0) - (a.closedAt ?? 0) || byAge(a, b));
    case 'open':
      return cards.sort((a, b) => byAge(b, a));
    default:
      return cards.sort(byAge);
  }
}
