import { expect, it } from 'vitest';
import type { ConvoyBead, ConvoyInput, ConvoyState } from '../../src/contract/index.js';
import { addProblem, convoyProblem, convoyView, initialConvoy, nextConvoyInput } from '../../src/domain/index.js';

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const serverTakes = 2 * 1024 * 1024;

/** A thousand beads with as much text as is taken, all of which wait for a person, for long reasons. */
function largest(text: (n: number) => Partial<ConvoyBead>): ConvoyState {
  const beads = Array.from({ length: 1_000 }, (_, n): ConvoyBead => ({
    id: `bead-${n}`.padEnd(30, 'x'),
    title: 'T',
    needs: [],
    ...text(n),
  }));
  const spec: ConvoyInput['spec'] = {
    convoy: 'largest-of-all-convoys',
    title: 'Largest',
    rig: 'r',
    policy: 'wait',
    target: 'integration',
    staged: false,
    beads,
  };
  expect(convoyProblem(spec)).toBe(undefined);
  const state = initialConvoy({ spec }, 1);
  return {
    ...state,
    prepared: true,
    beads: state.beads.map((bead) => ({
      ...bead,
      status: 'running',
      bead: 'blocked',
      reason: '€'.repeat(200),
      sha: 'a'.repeat(40),
      startedAt: 1_764_356_000_000,
    })),
  };
}
const bodies = (): Partial<ConvoyBead> => ({ body: 'b'.repeat(990) });
const needs = (n: number): Partial<ConvoyBead> => ({
  needs: Array.from({ length: Math.min(n, 30) }, (_, k) => `bead-${n - 1 - k}`.padEnd(30, 'x')),
});

it.each([
  ['bodies', bodies],
  ['needs', needs],
])('the largest convoy by its %s is shown in one answer, and carried in one payload', (_, text) => {
  const state = largest(text);
  const view = convoyView(state, 7);
  expect(bytesOf(view)).toBeLessThan(serverTakes - 128 * 1024);
  expect([view.shortened, view.now, view.waiting.length, view.progress.running]).toEqual([true, 7, 1_000, 1_000]);
  expect(view.beads[3]).toMatchObject({ title: 'T', status: 'running', needs: state.beads[3]?.needs });
  expect(bytesOf(nextConvoyInput({ spec: { ...state, beads: [] } }, state))).toBeLessThan(serverTakes - 64 * 1024);
});

it('a convoy of usual size is shown whole', () => {
  const whole = largest(() => ({ body: 'some words' }));
  const state = { ...whole, beads: whole.beads.slice(0, 400) };
  const { now, progress, waiting, ...shown } = convoyView(state, 7);
  expect(shown).toEqual(state);
  expect([now, progress.total, waiting[0]?.text.length]).toEqual([7, 400, 'waits for a person: '.length + 200]);
});

it('a convoy takes no bead with which it could not go on in a new run any more', () => {
  const agent = { adapter: 'shell', command: 'c'.repeat(20_000) };
  let state = initialConvoy(
    {
      spec: {
        convoy: 'c',
        title: 'C',
        rig: 'r',
        policy: 'wait',
        target: 'base',
        staged: true,
        beads: [{ id: 'first', title: 'First', needs: [] }],
      },
    },
    1,
  );
  const more = (n: number): ConvoyBead => ({ id: `more-${n}`, title: 'More', needs: [], agent });
  let added = 0;
  while (addProblem(state, more(added)) === undefined) {
    state = { ...state, beads: [...state.beads, { ...more(added), status: 'pending' }] };
    added += 1;
  }
  expect(addProblem(state, more(added))).toContain('make another convoy');
  expect([added > 50, bytesOf(nextConvoyInput({ spec: { ...state, beads: [] } }, state)) < serverTakes]).toEqual([
    true,
    true,
  ]);
});
