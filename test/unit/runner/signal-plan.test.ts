import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Instant } from '../../../src/runner/instant.js';
import {
  emptyPlan,
  planDelivered,
  planAcknowledged,
  planLife,
  planProgress,
  signalDue,
} from '../../../src/runner/lease/signal-plan.js';
import type { SignalPlan } from '../../../src/runner/lease/signal-plan.js';

const clocks = { signalEvery: 120_000 };
const at = (ms: number): Instant => ({ wall: ms, mono: ms });
const kindAt = (plan: SignalPlan, ms: number): string | undefined => {
  const due = signalDue(plan, at(ms), clocks);
  return due !== undefined && 'kind' in due ? due.kind : undefined;
};
/** Sends what is due, as the runner does. */
const send = (plan: SignalPlan, ms: number): SignalPlan => {
  const due = signalDue(plan, at(ms), clocks);
  if (due === undefined || !('kind' in due)) throw new Error('nothing is due');
  return planDelivered(plan, plan, due.kind, at(ms));
};

describe('when the bead is told of progress', () => {
  test('the first sign at once, then at most once per signalEvery, and only if there was more', () => {
    let plan = planProgress(emptyPlan, 'output', 'reads');
    expect(kindAt(plan, 0)).toBe('output');
    plan = send(plan, 0);
    expect(signalDue(plan, at(500_000), clocks)).toBeUndefined();
    plan = planProgress(plan, 'tool', 'edits');
    expect(signalDue(plan, at(1_000), clocks)).toEqual({ inMs: 119_000 });
    expect(signalDue(plan, at(119_999), clocks)).toEqual({ inMs: 1 });
    expect(kindAt(plan, 120_000)).toBe('tool');
  });

  test('after a silence at once', () => {
    const plan = planProgress(send(planProgress(emptyPlan, 'output'), 0), 'output', 'back again');
    expect(kindAt(plan, 3_600_000)).toBe('output');
  });

  test('the newest activity is told; what came while a signal was on its way is kept', () => {
    const sent = planProgress(emptyPlan, 'output', 'first');
    const meanwhile = planProgress(sent, 'tool', 'second');
    expect(planDelivered(meanwhile, sent, 'output', at(0)).progress).toEqual({ kind: 'tool', activity: 'second' });
    expect(planProgress(planProgress(emptyPlan, 'output', 'named'), 'output').progress?.activity).toBe('named');
  });

  test('in an hour of constant talk there are thirty signals and one', () => {
    let plan: SignalPlan = emptyPlan;
    let signals = 0;
    for (let ms = 0; ms <= 3_600_000; ms += 1_000) {
      plan = planProgress(plan, 'output', `line ${ms}`);
      if (kindAt(plan, ms) === undefined) continue;
      plan = send(plan, ms);
      signals += 1;
    }
    expect(signals).toBe(31);
  });
});

describe('what is told at once', () => {
  test('life events in order, before anything else, and they take nothing from the progress clock', () => {
    let plan = planLife(planLife(planProgress(emptyPlan, 'output', 'x'), 'paused'), 'resumed');
    expect(kindAt(plan, 0)).toBe('paused');
    plan = send(plan, 0);
    expect(kindAt(plan, 0)).toBe('resumed');
    plan = send(plan, 0);
    expect(plan.sentAt).toBeUndefined();
    expect(kindAt(plan, 0)).toBe('output');
  });

  test('an event that comes while another is on its way is not lost', () => {
    const sent = planLife(emptyPlan, 'paused');
    const meanwhile = planLife(sent, 'resumed');
    expect(planDelivered(meanwhile, sent, 'paused', at(0)).life).toEqual(['resumed']);
  });

  test('of a long row of pauses the first and the last state are told, and never more than a few', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('paused' as const, 'resumed' as const, 'adopted' as const)), (kinds) => {
        const { life } = kinds.reduce(planLife, emptyPlan);
        expect(life.length).toBeLessThanOrEqual(6);
        expect(life[0]).toBe(kinds[0]);
        expect(life.at(-1)).toBe(kinds.at(-1));
      }),
    );
  });

  test('acknowledgements; those that come meanwhile stay', () => {
    const sent = planAcknowledged(emptyPlan, ['a', 'b']);
    expect(kindAt(sent, 0)).toBe('agent');
    const left = planDelivered(planAcknowledged(sent, ['c']), sent, 'agent', at(0));
    expect(left.acknowledged).toEqual(['c']);
    expect(kindAt(left, 0)).toBe('agent');
  });
});
