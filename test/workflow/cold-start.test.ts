import { describe, expect, it } from 'vitest';
import {
  agentStatuses,
  expectNeverOpenAgain,
  expectOneAgent,
  expectWorkingThroughout,
} from '../../src/testing/index.js';
import type { Duration } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();

describe('a slow start is never a death', () => {
  it.each<Duration>(['75s', '10m', '60m'])(
    'a cold start of %s: one attempt, one agent, working from its first heartbeat on',
    async (coldStart) => {
      const town = await world.town({ agent: { coldStart, works: '20m' } });
      const bead = await town.sling();
      const { status, attempts } = await bead.untilEnded('2h');
      expect(status).toBe('closed');
      expect(attempts).toMatchObject([{ outcome: 'done', countedAs: 'nothing', adoptions: 0 }]);
      expect(agentStatuses(bead)).toEqual(['none', 'starting', 'working', 'none']);
      expectOneAgent(bead);
      expectNeverOpenAgain(bead);
      expectWorkingThroughout(bead);
    },
  );

  it('an agent that outlives the start by hours is never reset', async () => {
    const town = await world.town({ agent: { coldStart: '75s', works: '7h' }, beatStep: '60s' });
    const bead = await town.sling();
    await town.advance('6h');
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
    expectWorkingThroughout(bead);
    expect((await bead.untilEnded('2h')).status).toBe('closed');
  });

  it('a clone that stops beating is not waited for: provably no agent exists, so the next attempt follows at once', async () => {
    const town = await world.town({ hosts: ['slow', 'spare'], agent: { coldStart: '10m', works: '5m' } });
    const bead = await town.sling();
    await town.advance('1m');
    town.host('slow').die();
    const { status, attempts } = await bead.untilEnded('40m');
    expect(status).toBe('closed');
    expect(attempts.map(({ outcome, countedAs }) => [outcome, countedAs])).toEqual([
      ['lost', 'infra'],
      ['done', 'nothing'],
    ]);
    expectOneAgent(bead);
  });
});
