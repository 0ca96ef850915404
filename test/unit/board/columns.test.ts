import { describe, expect, test } from 'vitest';
import type { Card } from '../../../src/board/api-types.js';
import { columnOf, filtersOf, inOrder, matches } from '../../../src/board/page/columns.js';

const card = (bead: string, more: Partial<Card> = {}): Card => ({
  bead,
  title: 'Piece of work',
  status: 'open',
  agent: 'none',
  startedAt: 1,
  ...more,
});
const doing = { attempts: 1, doing: 'Reads the Grammar', costUsd: 0, tokens: 0 };
const cards = [
  card('one', { rig: 'app', convoy: 'greeting', more: { ...doing, host: 'alpha' } }),
  card('two', { rig: 'lib', adapter: 'codex', more: { ...doing, host: 'beta' } }),
  card('three', { rig: 'app', title: 'Mend the parser' }),
];
const passing = (search: string): string[] =>
  cards.filter((one) => matches(one, filtersOf(search))).map(({ bead }) => bead);

describe('cards of the front', () => {
  test.each([
    ['', ['one', 'two', 'three']],
    ['?rig=app', ['one', 'three']],
    ['?convoy=greeting', ['one']],
    ['?host=beta', ['two']],
    ['?rig=app&host=beta', []],
    // Every word, in whatever order and size, of what a card says.
    ['?text=PARSER+mend', ['three']],
    ['?text=grammar', ['one', 'two']],
    ['?text=codex', ['two']],
    ['?text=codex+parser', []],
  ])('%s of an address lets pass %j', (search, beads) => {
    expect(passing(search)).toEqual(beads);
  });

  test('stand in the column of their status; what has ended stands among what landed', () => {
    const statuses = ['open', 'in_progress', 'in_review', 'blocked', 'closed', 'cancelled', 'terminated'] as const;
    expect(statuses.map((status) => columnOf(card('one', { status })))).toEqual([
      ...statuses.slice(0, 4),
      ...['landed', 'landed', 'landed'],
    ]);
  });

  test('begin with what landed last, what was slung last, and elsewhere what waits longest', () => {
    const aged = [card('b', { startedAt: 2, closedAt: 8 }), card('a', { startedAt: 2 }), card('c', { closedAt: 9 })];
    const order = (column: Parameters<typeof inOrder>[0]): string[] =>
      inOrder(column, [...aged]).map(({ bead }) => bead);
    expect(order('landed')).toEqual(['c', 'b', 'a']);
    expect(order('open')).toEqual(['b', 'a', 'c']);
    expect(order('blocked')).toEqual(['c', 'a', 'b']);
  });
});
