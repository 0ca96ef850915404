import { expect, test } from 'vitest';
import { FrontNews } from '../../../src/board/front-news.js';
import type { FrontParts } from '../../../src/board/front-news.js';
import type { BeadSummary } from '../../../src/client/list.js';

const bead = (id: string, more: Partial<BeadSummary> = {}): BeadSummary => ({
  bead: id,
  title: id,
  status: 'open',
  agent: 'none',
  startedAt: 1,
  ...more,
});
const beads = (...all: BeadSummary[]): Map<string, BeadSummary> => new Map(all.map((one) => [one.bead, one]));
const parts: FrontParts = {
  more: false,
  reading: false,
  problems: [],
  hosts: { hosts: [], taskQueue: 'town' },
  rigs: [{ rig: 'app' }],
  convoys: [],
};
const none = (): undefined => undefined;

test('everything is told first, then what has changed, then nothing', () => {
  const news = new FrontNews();
  expect(news.whole()).toBeUndefined();
  const first = beads(bead('one'), bead('two'), bead('three'));
  expect(news.take(first, none, parts)).toMatchObject([
    { event: 'front', data: { cards: [{ bead: 'one' }, { bead: 'two' }, { bead: 'three' }], rigs: [{ rig: 'app' }] } },
  ]);
  expect(news.take(first, none, parts)).toEqual([]);
  // The same in other objects is no news either.
  expect(news.take(beads(bead('one'), bead('two'), bead('three')), none, { ...parts, rigs: [{ rig: 'app' }] })).toEqual(
    [],
  );
  const later = beads(bead('one', { status: 'in_progress' }), bead('two'), bead('four'));
  expect(news.take(later, none, { ...parts, rigs: [] })).toEqual([
    {
      event: 'cards',
      data: {
        cards: [
          expect.objectContaining({ bead: 'one', status: 'in_progress' }),
          expect.objectContaining({ bead: 'four' }),
        ],
        gone: ['three'],
        landedToday: 0,
        more: false,
        reading: false,
      },
    },
    { event: 'rigs', data: [] },
  ]);
  expect(news.whole()).toMatchObject({
    event: 'front',
    data: { cards: [{ bead: 'one', status: 'in_progress' }, { bead: 'two' }, { bead: 'four' }], rigs: [] },
  });
});

test('landed today is what was closed since midnight', () => {
  const news = new FrontNews();
  const now = new Date(2026, 5, 10, 12).getTime();
  const hours = (back: number): number => now - back * 3_600_000;
  news.take(
    beads(
      bead('today', { status: 'closed', closedAt: hours(1) }),
      bead('yesterday', { status: 'closed', closedAt: hours(13) }),
      bead('cancelled', { status: 'cancelled', closedAt: hours(1) }),
      bead('open'),
    ),
    none,
    parts,
    now,
  );
  expect(news.whole()).toMatchObject({ data: { landedToday: 1 } });
});
