import { expect, it } from 'vitest';
import { expectNeverOpenAgain, expectOneAgent, expectWorkingThroughout } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();
const minute = 60_000;

it(
  'a talkative agent across continue-as-new: the next run adopts, and the agent is undisturbed',
  { timeout: 600_000 },
  async () => {
    // Twelve times as many signals, so that an hour is enough to fill a history.
    const town = await world.town({
      clocks: { signalEvery: 10_000, stalledAfter: minute },
      agent: { chatter: '1s', works: '3h' },
      beatStep: '60s',
    });
    const bead = await town.sling();
    await bead.until('has continued as new', ({ runs }) => runs > 1, '3h');
    const closed = await bead.untilEnded('4h');
    expect(closed.status).toBe('closed');
    expect(bead.runs.length).toBeGreaterThan(1);
    for (const run of bead.runs) expect(run.events).toBeLessThan(4_000);
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
    expectWorkingThroughout(bead);
  },
);
