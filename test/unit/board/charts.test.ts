import { expect, test } from 'vitest';
import { chartsOf } from '../../../src/board/bead-times.js';
import type { ChartedBead } from '../../../src/board/bead-times.js';
import { noUsage } from '../../../src/contract/index.js';
import type { AttemptRecord, BeadView, CurrentAttempt, Usage } from '../../../src/contract/index.js';
import { initialBead } from '../../../src/domain/bead/state.js';

const hour = 3_600_000;
/** The day that is looked at begins here; a bead may be older. */
const from = 100 * hour;
const to = from + 24 * hour;
const day = { from, to, steps: 24 };

const run = (number: number, [startedAt, spawnedAt, endedAt]: number[], outcome: string): AttemptRecord =>
  ({
    id: `${number}-aaaaaaaa`,
    number,
    startedAt: from + (startedAt ?? 0) * hour,
    spawnedAt: spawnedAt === undefined ? undefined : from + spawnedAt * hour,
    endedAt: from + (endedAt ?? 0) * hour,
    outcome,
  }) as AttemptRecord;
const used = (costUsd: number, inputTokens: number): Usage => ({ ...noUsage, costUsd, inputTokens });

function bead(rig: string | undefined, createdAt: number, more: Partial<BeadView>, closedAt?: number): ChartedBead {
  const input = { bead: 'b', title: 'b', repo: '/srv/app', rig, agent: { adapter: 'shell' } };
  const view = { ...initialBead(input, from + createdAt * hour), now: to, ...more };
  return { view, closedAt: closedAt === undefined ? undefined : from + closedAt * hour };
}

/**
 * Waits 1 h, works 2 h, an hour in review, goes back and works another hour, half an hour until it has landed. The
 * second begins before the day, works until an hour into it, and is blocked for the rest. The third still works.
 */
const known: ChartedBead[] = [
  bead('app', 1, { attempts: [run(1, [1.5, 2, 4], 'done'), run(2, [5, 5, 6], 'done')], usage: used(1.5, 1_000) }, 6.5),
  bead('app', -3, {
    attempts: [run(1, [-3, -2, 1], 'agent_failed')],
    wait: { for: 'person', since: from + hour, text: 'blocked', fix: 'retry' },
    usage: used(0.25, 500),
  }),
  bead(undefined, 22, {
    current: {
      id: '1-aaaaaaaa',
      number: 1,
      startedAt: from + 22 * hour,
      spawnedAt: from + 23 * hour,
    } as CurrentAttempt,
  }),
];

test('shares of time are those of the day, each hour of a bead counted once', () => {
  const { shares } = chartsOf(known, [], day);
  expect(shares).toEqual({
    waiting: (1 + 1) * hour,
    working: (2 + 1 + 1 + 1) * hour,
    inReview: (1 + 0.5) * hour,
    blocked: 23 * hour,
  });
});

test('agents at work are counted by the part of each hour', () => {
  const { agents } = chartsOf(known, [], day);
  const expected = Array.from({ length: 24 }, () => 0);
  for (const at of [0, 2, 3, 5, 23]) expected[at] = 1;
  expect(agents).toEqual(expected);
  // Half an hour each, in hours that they share.
  const half = chartsOf(
    [
      bead('app', 0, { attempts: [run(1, [0, 0.5, 1.5], 'done')] }),
      bead('app', 0, { attempts: [run(1, [0, 0, 1], 'done')] }),
    ],
    [],
    day,
  );
  expect(half.agents.slice(0, 3)).toEqual([1.5, 0.5, 0]);
});

test('what landed stands in its hour; what landed before or after does not count', () => {
  const at = [-0.1, 0, 0.9, 1, 23.99, 24].map((hours) => from + hours * hour);
  const { landed } = chartsOf([], at, day);
  expect([landed[0], landed[1], landed[23]]).toEqual([2, 1, 1]);
  expect(landed.reduce((sum, count) => sum + count, 0)).toBe(4);
});

test('costs are summed by rig, the dearest first', () => {
  expect(chartsOf(known, [], day).costs).toEqual([
    { rig: 'app', costUsd: 1.75, tokens: 1_500, beads: 2 },
    { rig: 'without a rig', costUsd: 0, tokens: 0, beads: 1 },
  ]);
});
