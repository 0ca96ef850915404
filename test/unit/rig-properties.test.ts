import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RigState } from '../../src/contract/index.js';
import {
  agedPriority,
  bySlotOrder,
  initialRig,
  nextRigDeadline,
  readyMerges,
  rigErrands,
  stepRig,
} from '../../src/domain/index.js';
import type { RigEvent } from '../../src/domain/index.js';
import { merged, movedOn, conflict, settings, sha } from './support/rig-story.js';

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
const move = fc.record({
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
type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;

interface Seen {
  state: RigState;
  before: RigState;
  now: number;
  event: RigEvent;
}

/** Walks through a life of a rig as its workflow does. */
function walk(moves: Move[], look: (seen: Seen) => void): RigState {
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
      for (const errand of rigErrands(state)) {
        if (errand.do === 'grant') apply({ type: 'grantTold', bead: errand.bead, delivered: errand.bead !== 'h' });
        if (errand.do === 'tell') apply({ type: 'newsTold', id: errand.news.id, delivered: true });
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
const lives = (property: (moves: Move[]) => void): void =>
  fc.assert(fc.property(fc.array(move, { maxLength: 60 }), property), { numRuns: 300 });

describe('whatever happens to a rig', () => {
  it('no slot is ever granted above the limit, and a lowered limit sends nobody away', () => {
    lives((moves) => {
      walk(moves, ({ state, before, event }) => {
        const limit = state.settings.maxAgents;
        expect(state.grants.length).toBeLessThanOrEqual(Math.max(limit, before.grants.length));
        if (event.type === 'configured')
          expect(state.grants.slice(0, before.grants.length).map((grant) => grant.bead)).toEqual(
            before.grants.map((grant) => grant.bead),
          );
      });
    });
  });

  it('a bead holds one slot or waits for one, never both, and each is granted in order', () => {
    lives((moves) => {
      walk(moves, ({ state, before, event }) => {
        const names = [...state.grants, ...state.waiting].map((one) => one.bead);
        expect(new Set(names).size).toBe(names.length);
        const granted = state.grants.filter(
          ({ bead: name, grantedAt }) =>
            !before.grants.some((other) => other.bead === name && other.grantedAt === grantedAt),
        );
        // Nobody who goes on waiting is better than one who was granted in this step.
        for (const grant of granted)
          for (const other of state.waiting) expect(bySlotOrder(grant, other)).toBeLessThan(0);
        if (before.paused && event.type !== 'resumed') expect(granted).toEqual([]);
      });
    });
  });

  it('an open breaker lets one probe through at a time, and nobody else is told of a grant', () => {
    lives((moves) => {
      walk(moves, ({ state, before, event }) => {
        if (!state.breaker.open || !before.breaker.open) return;
        expect(state.grants.filter(({ probe }) => probe).length).toBeLessThanOrEqual(1);
        expect(rigErrands(state).every((errand) => errand.do !== 'grant' || errand.probe)).toBe(true);
        if (event.type === 'asked')
          expect(state.grants.filter(({ probe }) => !probe).length).toBeLessThanOrEqual(before.grants.length);
      });
    });
  });

  it('free slots are never withheld while the rig is well: nobody waits for nothing', () => {
    lives((moves) => {
      walk(moves, ({ state }) => {
        if (state.paused || state.waiting.length === 0) return;
        if (!state.breaker.open) expect(state.grants.length).toBeGreaterThanOrEqual(state.settings.maxAgents);
        // Behind an open breaker something must be on its way: a probe, its time, or a slot that comes back.
        else expect(state.grants.length > 0 || nextRigDeadline(state) !== undefined).toBe(true);
      });
    });
  });

  it('merges are serial per target and begin in order', () => {
    lives((moves) => {
      walk(moves, ({ state, before, now, event }) => {
        const targets = state.merging.map((merge) => merge.target);
        expect(new Set(targets).size).toBe(targets.length);
        if (event.type !== 'mergeStarted') return;
        const begun = state.merging.at(-1);
        if (begun === undefined || state.merging.length === before.merging.length) return;
        const better = before.queue.filter(
          (other) =>
            other.target === begun.target &&
            (other.notBefore ?? 0) <= now &&
            agedPriority(other, now) < agedPriority(begun, now),
        );
        expect(better).toEqual([]);
        expect(before.paused).toBe(false);
      });
    });
  });

  it('each item that was enqueued stays in sight until it gets its final outcome, exactly one', () => {
    const key = ({ workflowId, sha: commit }: { workflowId: string; sha: string }): string => `${workflowId} ${commit}`;
    const inSight = ({ queue, merging }: RigState): string[] => [...queue, ...merging].map(key);
    const without = (all: string[], taken: string[]): string[] => {
      const rest = [...taken];
      return all.filter((one) => {
        const index = rest.indexOf(one);
        if (index !== -1) rest.splice(index, 1);
        return index === -1;
      });
    };
    lives((moves) => {
      walk(moves, ({ state, before, event }) => {
        const left = without(inSight(before), inSight(state));
        const said = state.news
          .filter(({ id }) => id > before.newsCount)
          .flatMap((news) => (news.signal === 'mergeEnded' ? [`${news.workflowId} ${news.payload.sha}`] : []));
        const recorded = state.merged.length + state.notMerged.length - before.merged.length - before.notMerged.length;
        // The lists keep fifty.
        if (before.merged.length < 45 && before.notMerged.length < 45) expect(recorded).toBe(left.length);
        // Of those whose workflow is gone nobody is there to be told.
        if (event.type === 'looked') return expect(said).toEqual([]);
        expect(without(left, said)).toEqual([]);
        const besides = without(said, left);
        // Asked about what is no longer, or not any more, in the queue: answered at once.
        if (event.type === 'enqueued')
          expect(besides.every((one) => one === key(event.request) && !inSight(state).includes(one))).toBe(true);
        else if (event.type === 'withdrawn')
          expect(besides.every((one) => one === key(event.withdrawal) && !inSight(before).includes(one))).toBe(true);
        else expect(besides).toEqual([]);
        return undefined;
      });
    });
  });

  it('carried over as JSON it goes on as if nothing had been', () => {
    lives((moves) => {
      const plain = walk(
        moves.map((one) => ({ ...one, renews: false })),
        () => undefined,
      );
      const carried = walk(
        moves.map((one) => ({ ...one, renews: true })),
        () => undefined,
      );
      expect(carried).toEqual(JSON.parse(JSON.stringify(plain)));
    });
  });
});
