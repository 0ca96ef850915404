import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EscapeGround } from '../../src/cell/escape-lab.js';
import type { EscapeFindings } from '../../src/cell/escape-lab.js';
import { comforts, escapes } from '../../src/cell/escapes.js';
import { noCellHere } from '../support/bubblewrap.js';

const problem = noCellHere();
if (problem !== undefined) console.warn(`the ways out of a cell are not tried: ${problem}`);

describe.skipIf(problem !== undefined)('a hostile agent', () => {
  let ground: EscapeGround;
  let cell: EscapeFindings;
  let none: EscapeFindings;
  beforeAll(async () => {
    ground = await EscapeGround.make();
    cell = await ground.try('sandbox', 'none');
    none = await ground.try('none', 'all');
  });
  afterAll(() => ground?.end());

  test.each(escapes)('in a cell never $what ($id)', ({ id }) => {
    expect(cell.out[id]).toBe(false);
  });

  // Otherwise a row would hold because its attempt is none.
  test.each(escapes.filter(({ dependsOnHost }) => dependsOnHost !== true))('without one $what ($id)', ({ id }) => {
    expect(none.out[id]).toBe(true);
  });

  test.each(comforts)('that means no harm $what in a cell ($id)', ({ id }) => {
    expect(cell.works[id]).toBe(true);
    expect(none.works[id]).toBe(true);
  });

  test('with the network of its host has the loopback of its host, and nothing else more', async () => {
    const { out } = await ground.try('sandbox', 'all');
    const more = escapes.filter(({ id }) => out[id] !== cell.out[id]).map(({ id }) => id);
    expect(more.filter((id) => escapes.find((row) => row.id === id)?.area !== 'network')).toEqual([]);
    expect(more).toContain('server-port');
  });
});

test('the catalogue has at least sixty ways, each named once', () => {
  const ids = [...escapes, ...comforts].map(({ id }) => id);
  expect(escapes.length).toBeGreaterThanOrEqual(60);
  expect(new Set(ids).size).toBe(ids.length);
});
