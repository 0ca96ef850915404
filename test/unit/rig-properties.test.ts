import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RigState } from '../../src/contract/index.js';
import { agedPriority, byGrantOrder, nextRigDeadline, rigEffects } from '../../src/domain/index.js';
import { move, walk } from './support/rig-lives.js';
import type { Move } from './support/rig-lives.js';

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
          for (const other of state.waiting) expect(byGrantOrder(grant, other)).toBeLessThan(0);
        if (before.paused && event.type !== 'resumed') expect(granted).toEqual([]);
      });
    });
  });

  it('an open breaker lets one probe through at a time, and nobody else is told of a grant', () => {
    lives((moves) => {
      walk(moves, ({ state, before, event, now }) => {
        if (!state.breaker.open || !before.breaker.open) return;
        expect(state.grants.filter(({ probe }) => probe).length).toBeLessThanOrEqual(1);
        expect(rigEffects(state, now).every((effect) => effect.do !== 'grant' || effect.probe)).toBe(true);
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
        // Behind an open breaker something must be on its way: a probe, its time, or a grant that comes back.
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
