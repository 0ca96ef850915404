import { describe, expect, it } from 'vitest';
import {
  agentStatuses,
  expectNeverOpenAgain,
  expectNeverTwoAgents,
  expectOneAgent,
  expectWorkingThroughout,
} from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();

const minute = 60_000;

describe('a silent agent', () => {
  it('is stalled after 5 min and nudged, stopped after 30 min, and the next attempt goes on from its checkpoint', async () => {
    const town = await world.town({ agent: { works: '30m' }, beatStep: '30s' });
    const bead = await town.sling({ agent: [{ silence: { from: '12m' } }, { works: '10m' }] });
    await bead.until('is stalled', ({ agent }) => agent === 'stalled');
    const stalled = await bead.state();
    const quiet = stalled.current?.lastProgressAt ?? 0;
    expect((stalled.current?.stalledAt ?? 0) - quiet).toBeGreaterThanOrEqual(5 * minute);
    expect((stalled.current?.stalledAt ?? 0) - quiet).toBeLessThan(5 * minute + 1_000);
    expect(stalled.attention).toBe('stalled');
    await town.advance('1m');
    expect((await bead.state()).messages).toMatchObject([{ from: 'heartbead', deliveredTo: stalled.current?.id }]);

    await bead.until('has ended its first attempt', ({ attempts }) => attempts.length === 1);
    const [first] = (await bead.state()).attempts;
    expect(first).toMatchObject({ outcome: 'stalled', countedAs: 'agent' });
    expect((first?.endedAt ?? 0) - quiet).toBeGreaterThanOrEqual(30 * minute);
    expect((first?.endedAt ?? 0) - quiet).toBeLessThan(31 * minute);

    const closed = await bead.untilEnded();
    expect(closed.status).toBe('closed');
    expect(closed.attempts).toMatchObject([{ outcome: 'stalled' }, { outcome: 'done' }]);
    const second = [...town.host().attempts.values()].find(({ input }) => input.number === 2)?.input;
    // What the first one gained is its own; the next one goes on from the same commit.
    expect(first?.checkpoint).toEqual({ ...second?.checkpoint, gained: true });
    expect(second?.checkpoint?.wip).toBe(true);
    expect(second?.notes.join('\n')).toContain('stalled');
    expectNeverTwoAgents(bead);
    expect(agentStatuses(bead)).toEqual([
      'none',
      'starting',
      'working',
      'stalled',
      'stopping',
      'none',
      'starting',
      'working',
      'none',
    ]);
  });

  it('that heeds the nudge works on: no attempt is used', async () => {
    const town = await world.town({
      agent: { silence: { from: '5m' }, heedsMessages: true, works: '40m' },
      beatStep: '30s',
    });
    const bead = await town.sling();
    const closed = await bead.untilEnded('2h');
    expect(closed.status).toBe('closed');
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expect(closed.messages).toEqual([]);
    expect(agentStatuses(bead)).toEqual(['none', 'starting', 'working', 'stalled', 'working', 'none']);
    expectOneAgent(bead);
  });

  it('that never says a first word has firstProgressWithin, not stalledAfter', async () => {
    const town = await world.town({ agent: { firstOutput: '9m', works: '30m' }, beatStep: '30s' });
    const bead = await town.sling();
    expect((await bead.untilEnded()).status).toBe('closed');
    expectWorkingThroughout(bead);
    expectOneAgent(bead);
  });

  it('that never speaks uses up the budget of agent failures, and then a person is asked', async () => {
    const town = await world.town({ agent: { firstOutput: 'never' }, budgets: { agentFailures: 2 }, beatStep: '60s' });
    const bead = await town.sling();
    const blocked = await bead.until('is blocked', ({ status }) => status === 'blocked', '3h');
    expect(blocked.attempts.map(({ outcome }) => outcome)).toEqual(['stalled', 'stalled']);
    expect(blocked.wait).toMatchObject({ for: 'person' });
    expectNeverTwoAgents(bead);
  });
});

describe('a talkative agent', () => {
  it('for 12 h: the history stays small, and the agent notices nothing', async () => {
    const town = await world.town({
      clocks: { maxRuntime: 13 * 60 * minute },
      agent: { chatter: '1s', works: '12h' },
      beatStep: '80s',
    });
    const bead = await town.sling();
    const closed = await bead.untilEnded('13h');
    expect(closed.status).toBe('closed');
    // 132 events an hour (2026-11); a timer that fires between the signals would make it 170. Runs that grow longer:
    // continue-as-new.test.ts.
    expect(bead.runs.map((run) => run.events)).toEqual([expect.toSatisfy((events: number) => events < 1_700)]);
    expect(bead.runs.flatMap((run) => run.taskFailures)).toEqual([]);
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
    expectWorkingThroughout(bead);
  }, 180_000);
});
