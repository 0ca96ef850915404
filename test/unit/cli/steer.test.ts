import { expect, test } from 'vitest';
import { wouldTake } from '../../../src/cli/steer.js';
import type { BeadView } from '../../../src/contract/index.js';

test('a bead that is being cancelled is left alone by what a filter chooses: it would refuse, and the rest with it', () => {
  const view = (cancelling: boolean, paused: boolean): BeadView => ({ cancelling, paused }) as BeadView;
  const pausing = { applies: ({ paused }: BeadView) => !paused };
  const views = [view(false, false), view(true, false), view(false, true), view(true, true)];
  expect(views.map((one) => wouldTake(pausing, one))).toEqual([true, false, false, false]);
});
