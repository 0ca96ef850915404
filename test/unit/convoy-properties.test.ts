import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConvoyState } from '../../src/contract/index.js';
import {
  convoyPanel,
  convoyEffects,
  convoyProgress,
  isActive,
  convoyLooks,
  personNeeded,
  waitingReason,
} from '../../src/domain/index.js';
import type { ConvoyEvent } from '../../src/domain/index.js';
import { life, Walk } from './support/convoy-lives.js';

const always = (look: (state: ConvoyState, before: ConvoyState, event: ConvoyEvent) => void): void => {
  fc.assert(
    fc.property(life, (given) => void new Walk(given, look)),
    { numRuns: 400 },
  );
};

describe('whatever happens to a convoy', () => {
  it('no bead starts before all it needs is merged', () => {
    always((state, before) => {
      for (const one of state.beads) {
        if (one.status !== 'starting' || before.beads.find((other) => other.id === one.id)?.status === 'starting')
          continue;
        expect(one.needs.map((need) => state.beads.find((other) => other.id === need)?.status)).toEqual(
          one.needs.map(() => 'merged'),
        );
      }
    });
  });

  it('nothing starts while it is staged or paused, after a cancel, or after its end', () => {
    always((state, before) => {
      const closed = before.staged || before.paused || before.ending !== undefined || before.endedAt !== undefined;
      if (!closed) return;
      const begun = state.beads.filter(
        (one) => one.status === 'starting' && before.beads.find((other) => other.id === one.id)?.status !== 'starting',
      );
      expect(begun).toEqual([]);
      if (before.ending !== undefined)
        expect(
          convoyEffects(state).filter((effect) => effect.do === 'start' && effect.bead.status !== 'starting'),
        ).toEqual([]);
    });
  });

  it('it counts right, and landed means all merged and never none', () => {
    always((state) => {
      const { total, ...counts } = convoyProgress(state);
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(total);
      expect(total).toBe(state.beads.length);
      if (state.status === 'landed') expect([total > 0, counts.merged]).toEqual([true, total]);
      if (state.status === 'landed' && state.target === 'integration') expect(state.landing?.sha).toBeDefined();
      if (state.endedAt !== undefined)
        expect(state.beads.filter((one) => isActive(one.status) || one.status === 'pending')).toEqual([]);
    });
  });

  it('a merge is for ever', () => {
    always((state, before) => {
      for (const { id: name, status: was, sha: commit } of before.beads)
        if (was === 'merged')
          expect(state.beads.find((one) => one.id === name)).toMatchObject({ status: 'merged', sha: commit });
    });
  });

  it('the graph stays whole: no needs that are not there', () => {
    always((state) => {
      const names = state.beads.map((one) => one.id);
      expect(state.beads.flatMap((one) => one.needs).filter((need) => !names.includes(need))).toEqual([]);
      expect(new Set(names).size).toBe(names.length);
    });
  });

  it('it has ended, or somebody is at it, or it says for whom it waits', () => {
    always((state) => {
      if (state.endedAt !== undefined) return;
      const atWork = convoyEffects(state).length > 0 || convoyLooks(state);
      const says = state.staged || state.paused || personNeeded(state).length > 0;
      expect(atWork || says, JSON.stringify(state)).toBe(true);
      expect(state.attention === 'blocked').toBe(personNeeded(state).length > 0);
      for (const one of state.beads)
        expect(waitingReason(state, one.id) === undefined).toBe(
          !['pending', 'starting', 'running'].includes(one.status),
        );
      expect(convoyPanel(state).length).toBeLessThanOrEqual(15_000);
    });
  });

  it('cancelled and then left alone by its beads, it ends', () => {
    fc.assert(
      fc.property(life, fc.boolean(), (given, well) => {
        const walk = new Walk(given, () => undefined);
        walk.apply({ type: 'cancel' });
        for (let round = 0; round < 60 && walk.state.endedAt === undefined; round += 1) {
          for (let n = 0; n < 5; n += 1) walk.carryOut(n, well);
          if (walk.state.landing?.withdrawTold === true) walk.answer(well);
          for (const one of walk.state.beads) if (one.status === 'running') walk.report(one.id, 'cancelled', false);
        }
        expect(walk.state.endedAt, JSON.stringify(walk.state)).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  it('with beads that all get merged in the end, it lands', () => {
    fc.assert(
      fc.property(life, (given) => {
        const walk = new Walk({ ...given, moves: [] }, () => undefined);
        walk.apply({ type: 'start' });
        for (let round = 0; round < 60 && walk.state.endedAt === undefined; round += 1) {
          walk.carryOut(0, true);
          for (const one of walk.state.beads) if (one.status === 'running') walk.report(one.id, 'closed', true);
          if (walk.state.landing?.step === 'queued') walk.answer(true);
        }
        expect(walk.state.status).toBe('landed');
      }),
      { numRuns: 200 },
    );
  });
});
