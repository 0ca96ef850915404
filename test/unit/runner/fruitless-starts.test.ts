import { expect, test } from 'vitest';
import type { AttemptResult } from '../../../src/contract/index.js';
import { FruitlessStarts } from '../../../src/runner/attempt/fruitless-starts.js';
import { scratchFolder } from '../../support/scratch.js';

const minute = 60_000;
const result = (outcome: AttemptResult['outcome']): AttemptResult => ({
  attempt: '1-abcd1234',
  outcome,
  reason: '',
  host: 'h1',
});

test('so many within an hour are enough, also after the hour, until an operator wants more', () => {
  const home = scratchFolder('starts');
  const clock = { now: 1_000_000_000 };
  const starts = new FruitlessStarts(home, () => clock.now);
  const fails = (n: number, rig?: string): void =>
    starts.ended({ bead: `b${n}`, attempt: `1-${String(n).padStart(8, '0')}`, rig }, result('agent_failed'));
  expect(starts.enough(3)).toBeUndefined();
  for (let n = 0; n < 5; n += 1) {
    fails(n, 'a-rig');
    starts.ended({ bead: 'd', attempt: '1-dddddddd', rig: undefined }, result('done'));
  }
  fails(1);
  clock.now += 59 * minute;
  fails(2);
  fails(2);
  expect(starts.enough(3)).toBeUndefined();
  fails(3);
  // The first is an hour old by now.
  clock.now += minute;
  expect(starts.enough(3)).toBeUndefined();
  fails(4);
  const since = clock.now;
  expect(starts.enough(3)).toBe(since);
  clock.now += 600 * minute;
  expect([starts.enough(3), new FruitlessStarts(home, () => clock.now).enough(3)]).toEqual([since, since]);
  // Whoever retried before that has not seen it.
  expect(starts.enough(3, since)).toBe(since);
  expect([starts.enough(3, since + 1), starts.enough(3)]).toEqual([undefined, undefined]);
  for (let n = 5; n < 8; n += 1) fails(n);
  expect(starts.enough(3, since + 1)).toBe(clock.now);
});
