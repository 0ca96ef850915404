import { describe, expect, it } from 'vitest';
import { problemOf } from '../../../src/simulation/rules.js';
import { scriptOf } from '../../../src/simulation/script.js';
import type { Script } from '../../../src/simulation/script.js';
import { shrink } from '../../../src/simulation/shrink.js';
import { aBead, endedAttempt } from '../cli/a-bead.js';

describe('scripts', () => {
  it('are the same for a seed for ever, and different for different ones', () => {
    expect(scriptOf(7)).toEqual(scriptOf(7));
    expect(new Set(Array.from({ length: 200 }, (_, seed) => JSON.stringify(scriptOf(seed)))).size).toBe(200);
  });

  it('of some hundred seeds contain every fault and every way to end', () => {
    const scripts = Array.from({ length: 500 }, (_, seed) => scriptOf(seed));
    const faults = new Set(scripts.flatMap(({ steps }) => steps.map(({ fault }) => fault.do)));
    expect(faults.size).toBe(22);
    const ends = new Set(scripts.flatMap(({ beads }) => beads.flat().map((agent) => agent.ends)));
    expect([...ends].sort()).toEqual(['auth_failed', 'crashed', 'done', 'escalated', 'no_changes', 'rate_limited', 'silently']);
  });
});

describe('the rules', () => {
  const calm = { maxAgentsAtOnce: 1, statuses: [] };
  const view = aBead();

  it('hold for a bead at work', () => {
    expect(problemOf(calm, view)).toBeUndefined();
  });

  it.each([
    ['two agents at once', { ...calm, maxAgentsAtOnce: 2 }, view, 'ran at once'],
    ['an attempt without a reason', calm, { ...view, attempts: [{ ...endedAttempt({ outcome: 'lost' }), reason: '' }] }, 'without a reason'],
    ['an agent that is blamed for its host', calm, { ...view, attempts: [endedAttempt({ outcome: 'lost', countedAs: 'agent' })] }, 'was blamed'],
    ['closed without evidence', calm, { ...view, status: 'closed' as const, branch: undefined, attempts: [] }, 'without evidence'],
    ['more failures than there were', calm, { ...view, used: { ...view.used, agentFailures: 3 }, attempts: [] }, 'more than there were'],
    ['nothing to wait for', calm, { ...view, status: 'open' as const, current: undefined, wait: undefined, deadline: undefined }, 'nothing to wait for'],
    ['open while its agent works', { ...calm, statuses: [{ at: 1, bead: 'open' as const, agent: 'working' as const }] }, view, 'open while'],
  ])('are broken by %s', (_, bead, seen, words) => {
    expect(problemOf(bead, seen as typeof view)).toContain(words);
  });
});

describe('a script that breaks a rule', () => {
  it('is cut down to what breaks it, and what remains happens when it did', async () => {
    const steps: Script['steps'] = [
      { after: 10, fault: { do: 'die', host: 0 } }, { after: 20, fault: { do: 'cancel', bead: 0 } }, { after: 30, fault: { do: 'heal', host: 0 } }, { after: 40, fault: { do: 'partition', host: 0, remoteToo: true } },
    ];
    const script: Script = { seed: 1, hosts: 1, maxAgents: 1, beads: [[{ works: 1 }, { works: 2 }], [{ works: 3 }]], steps };
    const small = await shrink(script, ({ steps: left }) => Promise.resolve(left.some(({ fault }) => fault.do === 'heal')));
    expect(small.steps).toEqual([{ after: 60, fault: { do: 'heal', host: 0 } }]);
    expect(small.beads).toEqual([[{ works: 1 }]]);
  });
});
