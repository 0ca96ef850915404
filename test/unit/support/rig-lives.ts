/** Lives of a rig at random: for the properties that hold in all of them, and for the page that draws them. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { RigState } from '../../../src/contract/index.js';
import { initialRig, readyMerges, rigEffects, stepRig } from '../../../src/domain/index.js';
import type { RigEvent } from '../../../src/domain/index.js';
import { conflict, merged, movedOn, settings, sha } from './rig-story.js';

const bead = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const target = fc.constantFrom('main', 'next', '');
/**
 * What the world may do; what only the rig itself may decide (that a merge begins, that something has been told) is
 * done by the walk below.
 */
const event: fc.Arbitrary<RigEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('asked' as const),
      request: fc
        .record({ bead, priority: fc.integer({ min: 1, max: 5 }), since: fc.integer({ min: 0, max: 50 }) })
        .map((r) => ({ ...r, workflowId: `bead-${r.bead}` })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('returned' as const),
      end: fc.record({ bead, infraLoss: fc.boolean(), progress: fc.boolean() }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('progressed' as const), progress: fc.record({ bead }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('enqueued' as const),
      request: fc
        .record({
          item: bead,
          commit: fc.integer({ min: 1, max: 2 }),
          target,
          priority: fc.integer({ min: 1, max: 5 }),
          since: fc.integer({ min: 0, max: 50 }),
        })
        .map(({ commit, ...r }) => ({ ...r, sha: sha(commit), workflowId: `bead-${r.item}`, branch: 'x', title: 'x' })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('withdrawn' as const),
      withdrawal: fc
        .record({ item: bead, commit: fc.integer({ min: 1, max: 2 }) })
        .map(({ item, commit }) => ({ item, sha: sha(commit), workflowId: `bead-${item}` })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('configured' as const),
      change: fc.record({ maxAgents: fc.integer({ min: 1, max: 5 }) }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        type: fc.constant('looked' as const),
        gone: bead.map((name) => [{ workflowId: `bead-${name}`, status: 'TERMINATED' }]),
      })
      .map((e) => ({ ...e, askedAt: Infinity })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<RigEvent>(
      { type: 'paused' },
      { type: 'resumed' },
      { type: 'resumed' },
      { type: 'renewed' },
      { type: 'tick' },
    ),
  },
);
export const move = fc.record({
  event,
  wait: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 3 * 3_600_000 })),
  ends: fc.constantFrom<'merged' | 'conflict' | 'moved' | 'broke' | 'runs on'>(
    'merged',
    'conflict',
    'moved',
    'broke',
    'runs on',
    'runs on',
    'runs on',
  ),
  tells: fc.boolean(),
  renews: fc.boolean(),
});
export type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;

/** One step of a life. */
export interface Seen {
  state: RigState;
  before: RigState;
  now: number;
  event: RigEvent;
}

/** Walks through a life of a rig as its workflow does. */
export function walk(moves: Move[], look: (seen: Seen) => void): RigState {
  let now = 1_000_000;
  let state = initialRig({ rig: 'r', settings: settings({ maxAgents: 3 }) }, now);
  const apply = (event: RigEvent): void => {
    const before = state;
    const frozen = JSON.stringify(before);
    state = stepRig(state, event, now);
    // A step changes nothing but what it returns.
    expect(JSON.stringify(before)).toBe(frozen);
    look({ state, before, now, event });
  };
  for (const { event, wait, ends, tells, renews } of moves) {
    now += wait + 1;
    apply(event);
    if (tells) {
      for (const effect of rigEffects(state, now)) {
        if (effect.do === 'grant') apply({ type: 'grantTold', bead: effect.bead, delivered: effect.bead !== 'h' });
        if (effect.do === 'tell') apply({ type: 'newsTold', id: effect.news.id, delivered: true });
      }
    }
    for (const { workflowId, sha: commit } of readyMerges(state, now))
      apply({ type: 'mergeStarted', workflowId, sha: commit });
    const [first] = state.merging;
    if (first !== undefined && ends !== 'runs on') {
      const of = { workflowId: first.workflowId, sha: first.sha };
      if (ends === 'broke') apply({ type: 'mergeBroke', ...of, reason: 'away' });
      else apply({ type: 'mergeEnded', ...of, outcome: { merged: merged(99), conflict, moved: movedOn }[ends] });
    }
    if (renews) state = JSON.parse(JSON.stringify(state)) as RigState;
  }
  return state;
}
