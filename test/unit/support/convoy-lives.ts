/** Lives of a convoy at random: for the properties that hold in all of them, and for the page that draws them. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { BeadStatus, ConvoyBead, ConvoyState } from '../../../src/contract/index.js';
import {
  addProblem,
  convoyEffects,
  convoyProblem,
  initialConvoy,
  removeProblem,
  retryProblem,
  stepConvoy,
} from '../../../src/domain/index.js';
import type { ConvoyEvent } from '../../../src/domain/index.js';
import { bead, spec } from './convoy-story.js';
import { sha } from './rig-story.js';

/** Graphs without cycles: each bead may need any before it. */
const beads = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc
    .tuple(
      ...Array.from({ length: size }, (_, n) =>
        fc.subarray(
          Array.from({ length: n }, (__, k) => `b${k}`),
          { maxLength: Math.min(n, 3) },
        ),
      ),
    )
    .map((needs) => (needs as string[][]).map((ids, n): ConvoyBead => bead(`b${n}`, ids))),
);
const id = fc.integer({ min: 0, max: 11 }).map((n) => `b${n}`);
const status = fc.constantFrom<BeadStatus>(
  'open',
  'in_progress',
  'in_review',
  'blocked',
  'closed',
  'failed',
  'cancelled',
);

/** What the world may do. Reports and looks hit beads at any time; operators do what the validators let them. */
const move = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      n: fc.nat(20),
      how: fc.constantFrom(
        'merged',
        'merged',
        'merged',
        'failed',
        'cancelled',
        'closed',
        'blocked',
        'open',
        'terminated',
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('carry out' as const),
      n: fc.nat(20),
      well: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('report' as const), id, status, merged: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      id: fc.integer({ min: 12, max: 15 }).map((n) => `b${n}`),
      needs: fc.uniqueArray(id, { maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), id, release: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retry' as const), id }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { do: 'start' as const },
      { do: 'pause' as const },
      { do: 'resume' as const },
      { do: 'renew' as const },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('cancel' as const),
      really: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
  },
);
type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;
export const life = fc.record({
  beads,
  moves: fc.array(move, { maxLength: 60 }),
  policy: fc.constantFrom('wait' as const, 'skip-dependants' as const, 'stop' as const),
  target: fc.constantFrom('base' as const, 'integration' as const),
  staged: fc.boolean(),
});
export type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

/** Walks through a life of a convoy as its workflow and its beads do. */
export class Walk {
  now = 1_000_000;
  state: ConvoyState;
  /** What the convoy has really started, and what those have really merged. */
  readonly startedAt = new Map<string, number>();
  commits = 100;

  constructor(
    given: Life,
    private readonly look: (state: ConvoyState, before: ConvoyState, event: ConvoyEvent) => void,
  ) {
    const whole = spec(given.beads, { policy: given.policy, target: given.target, staged: given.staged });
    expect(convoyProblem(whole)).toBeUndefined();
    this.state = initialConvoy({ spec: whole }, this.now);
    this.apply({ type: 'tick' });
    for (const move of given.moves) this.move(move);
  }

  apply(event: ConvoyEvent): void {
    const before = this.state;
    const frozen = JSON.stringify(before);
    this.state = stepConvoy(before, event, (this.now += 10));
    expect(JSON.stringify(before)).toBe(frozen);
    this.look(this.state, before, event);
  }

  report(name: string, how: BeadStatus, merged: boolean): void {
    this.apply({
      type: 'report',
      report: {
        bead: `c-${name}`,
        status: merged ? 'closed' : how,
        reason: how === 'blocked' ? 'help' : '',
        merged,
        sha: merged ? sha((this.commits += 1)) : undefined,
      },
    });
  }

  move(given: Move): void {
    switch (given.do) {
      case 'end': {
        const running = this.state.beads.filter((one) => one.status === 'running');
        const one = running[given.n % Math.max(running.length, 1)];
        if (one === undefined) return;
        if (given.how === 'terminated')
          return this.apply({
            type: 'looked',
            askedAt: this.now + 1,
            gone: [{ bead: `c-${one.id}`, status: 'TERMINATED' }],
          });
        return this.report(one.id, given.how === 'merged' ? 'closed' : given.how, given.how === 'merged');
      }
      case 'carry out':
        return this.carryOut(given.n, given.well);
      case 'report':
        return this.report(given.id, given.status, given.merged);
      case 'add': {
        const one = bead(given.id, given.needs);
        if (addProblem(this.state, one) === undefined) this.apply({ type: 'addBead', bead: one });
        return;
      }
      case 'remove':
        if (removeProblem(this.state, given.id, given.release) === undefined)
          this.apply({ type: 'removeBead', id: given.id, release: given.release });
        return;
      case 'retry':
        if (retryProblem(this.state, given.id) === undefined) this.apply({ type: 'retryBead', id: given.id });
        return;
      case 'cancel':
        if (given.really) this.apply({ type: 'cancel' });
        return;
      case 'renew':
        this.state = JSON.parse(JSON.stringify(this.state)) as ConvoyState;
        return this.apply({ type: 'renewed' });
      default:
        return this.apply({ type: given.do });
    }
  }

  carryOut(n: number, well: boolean): void {
    const effects = convoyEffects(this.state);
    const effect = effects[n % Math.max(effects.length, 1)];
    switch (effect?.do) {
      case undefined:
        return;
      case 'prepare':
        return this.apply(
          well
            ? { type: 'prepared', facts: { repo: '/r', base: 'main', strategy: 'merge', version: 1 } }
            : { type: 'notPrepared', reason: 'no rig' },
        );
      case 'start':
        this.apply({ type: 'starting', id: effect.bead.id });
        if (this.state.beads.find((one) => one.id === effect.bead.id)?.status !== 'starting') return;
        return this.apply(
          well
            ? { type: 'started', id: effect.bead.id }
            : { type: 'notStarted', id: effect.bead.id, reason: 'foreign' },
        );
      case 'cancelBead':
        return this.apply({ type: 'cancelTold', id: effect.id });
      case 'land':
        if (!well) return this.apply({ type: 'landingStuck', reason: 'gone' });
        return this.apply({ type: 'landingQueued', sha: sha(7_000) });
      case 'withdraw':
        this.apply({ type: 'withdrawTold' });
        return this.answer(well);
      case 'verify':
        return this.apply(well ? { type: 'landingVerified' } : { type: 'landingStuck', reason: 'not there' });
    }
  }

  answer(well: boolean): void {
    this.apply({
      type: 'mergeEnded',
      ended: {
        item: 'convoy-c',
        sha: this.state.landing?.queuedSha ?? '',
        result: well
          ? { outcome: 'merged', sha: sha(8_000), target: 'main', strategy: 'merge' }
          : { outcome: 'conflict', paths: ['x'], target: 'main', targetSha: sha(1) },
      },
    });
  }
}
