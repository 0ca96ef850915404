import { createColors } from 'picocolors';
import { expect, test } from 'vitest';
import { costsPage } from '../../../src/cli/render/costs-page.js';
import { byCost, groupCosts, sumOf } from '../../../src/domain/telling/costs.js';
import type { BeadCost } from '../../../src/domain/telling/costs.js';

const cost = (bead: string, costUsd: number, more: Partial<BeadCost> = {}): BeadCost => ({
  bead,
  title: bead,
  status: 'closed',
  attempts: 2,
  usage: { inputTokens: 1_000, outputTokens: 100, cachedTokens: 800, costUsd, turns: 3 },
  ...more,
});
const beads = byCost([
  cost('a', 0.5, { rig: 'app', convoy: 'release' }),
  cost('b', 2, { rig: 'app', budget: { maxCostUsd: 5 } }),
  cost('c', 0),
]);

test('beads, convoys and rigs, the dearest first, and the sum of all', () => {
  expect(beads.map(({ bead }) => bead)).toEqual(['b', 'a', 'c']);
  expect(groupCosts(beads, 'rig')).toEqual([
    expect.objectContaining({
      name: 'app',
      beads: 2,
      attempts: 4,
      usage: expect.objectContaining({ costUsd: 2.5, turns: 6 }),
    }),
  ]);
  expect(groupCosts(beads, 'convoy')).toEqual([expect.objectContaining({ name: 'release', beads: 1 })]);
  const page = costsPage(
    { beads, convoys: groupCosts(beads, 'convoy'), rigs: groupCosts(beads, 'rig'), total: sumOf('all', beads) },
    createColors(false),
  );
  expect(page).toMatch(/^b +closed +2 +1,000 +800 +100 +3 +\$2.00 +\$5$/m);
  expect(page).toMatch(/^app +2 +4 +2,000 +1,600 +200 +6 +\$2.50$/m);
  expect(page).toContain('in all: 3 beads, 6 attempts, 3,000 tokens in (2,400 of them cached), 300 out, $2.50');
});
