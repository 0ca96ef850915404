import { expect, test } from 'vitest';
import type { BeadState, RigState } from '../../src/contract/index.js';
import { beadMeasures, initialBead, measures, rigMeasures } from '../../src/domain/index.js';
import type { Measure } from '../../src/domain/index.js';
import { initialRig } from '../../src/domain/rig/state.js';

const start = initialBead(
  { bead: 'secret-bead', title: 'T', repo: '/r', agent: { adapter: 'claude' }, rig: 'app' },
  1_000,
);
const current = (more: object): BeadState =>
  ({
    ...start,
    current: { id: '1-abc', number: 1, startedAt: 2_000, lastSignAt: 0, adoptions: 0, ...more },
  }) as BeadState;
const told = (found: Measure[]): unknown[] =>
  found.map(({ name, labels, ...rest }) => [name, 'by' in rest ? rest.by : rest.value, labels]);
const labels = { agent: 'claude', rig: 'app' };

test('an attempt is measured once: its wait, its first heartbeat, its adoptions, its end with its cost', () => {
  const [dispatched, accepted] = [current({}), current({ acceptedAt: 5_000 })];
  expect(beadMeasures(start, dispatched, 2_000)).toEqual([]);
  const begins = told(beadMeasures(dispatched, accepted, 5_000)) as [string, number, Record<string, string>][];
  expect(begins.filter(([, value]) => value > 0)).toEqual([['heartbead_attempt_queue', 3, labels]]);
  // The first loss of all is seen by a rate only where its series has been there before.
  const zero = (name: string, more: object) => [name, 0, { ...labels, ...more }];
  expect(begins).toEqual(
    expect.arrayContaining([
      zero('heartbead_adoptions', {}),
      zero('heartbead_attempts_ended', { outcome: 'lost', counted_as: 'infra' }),
      zero('heartbead_attempts_ended', { outcome: 'agent_failed', counted_as: 'agent' }),
      zero('heartbead_attempts_lost', { reason: 'out_of_sight' }),
      zero('heartbead_agent_tokens', { kind: 'output' }),
      zero('heartbead_beads_ended', { status: 'failed' }),
    ]),
  );
  const spawned = current({ acceptedAt: 5_000, spawnedAt: 9_000 });
  expect(told(beadMeasures(accepted, spawned, 9_000))).toEqual([['heartbead_attempt_first_heartbeat', 7, labels]]);
  expect(beadMeasures(spawned, { ...spawned, heartbeats: 7 }, 9_500)).toEqual([]);
  const adopted = current({ acceptedAt: 5_000, spawnedAt: 9_000, adoptions: 2 });
  expect(told(beadMeasures(spawned, adopted, 9_500))).toEqual([['heartbead_adoptions', 2, labels]]);
  const usage = { inputTokens: 100, cachedTokens: 30, outputTokens: 0, costUsd: 0.5, turns: 1 };
  const record = { id: '1-abc', number: 1, startedAt: 2_000, heartbeats: 0, adoptions: 2 };
  const ended: BeadState = {
    ...adopted,
    current: undefined,
    attempts: [{ ...record, outcome: 'lost', countedAs: 'infra', usage }],
  };
  expect(told(beadMeasures(adopted, ended, 9_900))).toEqual([
    ['heartbead_attempts_ended', 1, { ...labels, outcome: 'lost', counted_as: 'infra' }],
    ['heartbead_agent_tokens', 70, { ...labels, kind: 'input' }],
    ['heartbead_agent_tokens', 30, { ...labels, kind: 'cached' }],
    ['heartbead_attempt_cost_usd', 0.5, labels],
    ['heartbead_attempts_lost', 1, { ...labels, reason: 'ended' }],
  ]);
  // What a later run carries was counted by the run before.
  expect(beadMeasures(ended, { ...ended, runs: 2 }, 10_000)).toEqual([]);
  expect(told(beadMeasures(ended, { ...ended, status: 'closed' }, 11_000))).toEqual([
    ['heartbead_beads_ended', 1, { ...labels, status: 'closed' }],
    ['heartbead_bead_duration', 10, { ...labels, status: 'closed' }],
  ]);
});

const record = { id: '1-abc', number: 1, startedAt: 2_000, heartbeats: 0, adoptions: 0 };

test.each<[string, BeadState, BeadState['attempts'][number], string | undefined]>([
  ['before its agent was started', current({ acceptedAt: 5_000 }), { ...record, countedAs: 'infra' }, 'not_started'],
  [
    'out of sight',
    current({ acceptedAt: 5_000, spawnedAt: 9_000, suspectSince: 9_100 }),
    { ...record, countedAs: 'infra' },
    'out_of_sight',
  ],
  [
    'after it had reported what is not there',
    { ...start, attempts: [{ ...record, outcome: 'done', countedAs: 'nothing' }] },
    { ...record, outcome: 'lost', countedAs: 'infra' },
    'no_evidence',
  ],
  [
    'long ago',
    { ...start, attempts: [{ ...record, countedAs: 'infra' }] },
    { ...record, countedAs: 'infra' },
    undefined,
  ],
  ['by its own fault', current({ spawnedAt: 9_000 }), { ...record, countedAs: 'agent' }, undefined],
])('an attempt that was lost %s is counted by its reason', (_, before, attempt, reason) => {
  const after: BeadState = { ...before, current: undefined, attempts: [attempt] };
  const lost = beadMeasures(before, after, 10_000).filter(({ name }) => name === 'heartbead_attempts_lost');
  expect(lost.map((measure) => measure.labels['reason'])).toEqual(reason === undefined ? [] : [reason]);
});

test('a merge is measured from the queue to its outcome, and neither bead nor attempt is ever a label', () => {
  const rig = initialRig({ rig: 'app', settings: {} } as Parameters<typeof initialRig>[0], 0);
  const queued = { item: 'secret-bead', sha: 'a'.repeat(40), queuedAt: 4_000 };
  const before = { ...rig, merging: [queued] } as unknown as RigState;
  const entry = { item: 'secret-bead', from: queued.sha, target: 'main', at: 9_000 };
  const merged = rigMeasures(before, { ...before, merging: [], merged: [entry] } as unknown as RigState, 9_000);
  expect(told(merged)).toEqual([['heartbead_merge_duration', 5, { rig: 'app', outcome: 'merged' }]]);
  const failed = rigMeasures(
    before,
    { ...before, merging: [], notMerged: [{ ...entry, outcome: 'conflict', reason: 'r' }] } as unknown as RigState,
    10_000,
  );
  expect(told(failed)).toEqual([['heartbead_merge_duration', 6, { rig: 'app', outcome: 'conflict' }]]);
  expect(rigMeasures(before, { ...before, runs: 2 }, 10_000)).toEqual([]);
  expect(Object.keys(measures)).toHaveLength(10);
});
