import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxConvoyBeads } from '../../src/contract/index.js';
import type { ConvoyBead, ConvoySpec } from '../../src/contract/index.js';
import { convoyProblem, dependantsOf, findCycle } from '../../src/domain/index.js';
import { bead, diamond, spec } from './support/convoy-story.js';

/** Each bead needs all before it. */
const dense = Array.from({ length: maxConvoyBeads }, (_, n) =>
  bead(
    `b${n}`,
    Array.from({ length: n }, (_need, need) => `b${need}`),
  ),
);

describe('a convoy is refused before anything starts', () => {
  it.each<[string, unknown, RegExp]>([
    ['that is no object', 'x', /a convoy is one object/],
    ['without beads', spec([]), /needs at least one bead/],
    ['with a name that is no name', spec(diamond, { convoy: 'My Convoy' }), /a convoy id has only lower-case letters/],
    ['without a title', spec(diamond, { title: ' ' }), /a convoy needs a title/],
    ['without a rig', spec(diamond, { rig: undefined as never }), /the name of a rig must be/],
    ['with an unknown policy', spec(diamond, { policy: 'hope' as never }), /one of wait, skip-dependants, stop/],
    ['with an unknown target', spec(diamond, { target: 'trunk' as never }), /base or integration/],
    ['with beads that are no list', spec({} as never), /a list/],
    [
      'with a cycle',
      spec([bead('a', ['c']), bead('b', ['a']), bead('c', ['b']), bead('d')]),
      /wait for each other: a needs c needs b needs a$/,
    ],
    ['with a bead that needs itself', spec([bead('a', ['a'])]), /a needs a$/],
    ['with an unknown need', spec([bead('a', ['ghost'])]), /bead a needs ghost, and the convoy has no such bead/],
    ['with two beads of one name', spec([bead('a'), bead('a')]), /two beads are named a/],
    ['with a need named twice', spec([bead('a'), bead('b', ['a', 'a'])]), /bead b: it names the same need twice/],
    ['with an id that is none', spec([bead('A b')]), /bead A b: a bead id has only/],
    ['with an id that is too long with the convoy’s', spec([bead('x'.repeat(59))]), /its own id would be c-xxx/],
    ['with a bead that is no object', spec([null as never]), /bead number 1: a bead of a convoy is one object/],
    ['with a priority that is none', spec([bead('a', [], { priority: 0 })]), /bead a: a priority is a whole number/],
    [
      'with an agent that is none',
      spec([bead('a', [], { agent: 'claude' as never })]),
      /bead a: an agent is an object/,
    ],
    [
      'with too many beads',
      spec(Array.from({ length: maxConvoyBeads + 1 }, (_, n) => bead(`b${n}`))),
      /at most 1000 beads, this one has 1001/,
    ],
    [
      'with more text than fits',
      spec(Array.from({ length: 20 }, (_, n) => bead(`b${n}`, [], { body: 'ä'.repeat(30_000) }))),
      /at most 1000000 bytes together, these have 1200.*long material/,
    ],
    [
      'with more needs than fit',
      spec(dense),
      /at most 1000000 bytes together, these have 3.*what a bead needs directly/,
    ],
  ])('%s', (_, given, problem) => {
    expect(convoyProblem(given)).toMatch(problem);
  });

  it('and taken by a run of an earlier build, which did not weigh its needs', () => {
    expect(convoyProblem(spec(dense), false)).toBeUndefined();
  });

  it('and taken when all is well: a diamond, and a chain as long as may be', () => {
    expect(convoyProblem(spec(diamond))).toBeUndefined();
    expect(
      convoyProblem(
        spec(Array.from({ length: maxConvoyBeads }, (_, n) => bead(`b${n}`, n === 0 ? [] : [`b${n - 1}`]))),
      ),
    ).toBeUndefined();
  });
});

/** Graphs that may have cycles: each bead needs any of the others. */
const graph = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc
    .array(
      fc.subarray(
        Array.from({ length: size }, (_, n) => `b${n}`),
        { maxLength: Math.min(size, 3) },
      ),
      { minLength: size, maxLength: size },
    )
    .map((needs) => needs.map((ids, n): ConvoyBead => bead(`b${n}`, ids))),
);

/** The other way to find out: take away who needs nobody, until nothing can be taken away. */
function sortable(beads: readonly ConvoyBead[]): boolean {
  let rest = beads.map(({ id, needs }) => ({ id, needs }));
  for (;;) {
    const free = new Set(
      rest.filter(({ needs }) => needs.every((need) => !rest.some(({ id }) => id === need))).map(({ id }) => id),
    );
    if (free.size === 0) return rest.length === 0;
    rest = rest.filter(({ id }) => !free.has(id));
  }
}

describe('in any graph', () => {
  it('a cycle is found exactly when there is one, and the path it names is one', () => {
    fc.assert(
      fc.property(graph, (beads) => {
        const cycle = findCycle(beads);
        expect(cycle === undefined).toBe(sortable(beads));
        if (cycle === undefined) return;
        expect(cycle[0]).toBe(cycle.at(-1));
        for (const [index, id] of cycle.slice(0, -1).entries())
          expect(beads.find((one) => one.id === id)?.needs).toContain(cycle[index + 1]);
      }),
    );
  });

  it('the dependants of a bead are those that cannot do without it', () => {
    fc.assert(
      fc.property(graph.filter(sortable), (beads) => {
        const reaches = (id: string): boolean => {
          const needs = beads.find((one) => one.id === id)?.needs ?? [];
          return needs.includes('b0') || needs.some(reaches);
        };
        expect([...dependantsOf(beads, ['b0'])].sort()).toEqual(
          beads
            .map(({ id }) => id)
            .filter(reaches)
            .sort(),
        );
      }),
    );
  });

  it('the judgement never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        for (const given of [
          anything,
          spec(anything as ConvoyBead[]),
          spec([anything as ConvoyBead]),
          { ...spec(diamond), ...(anything as Partial<ConvoySpec>) },
        ]) {
          const problem = convoyProblem(given);
          expect(problem === undefined || problem.length > 0).toBe(true);
        }
      }),
    );
  });
});
