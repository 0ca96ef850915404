import { describe, expect, it } from 'vitest';
import {
  agentStatuses,
  expectNeverOpenAgain,
  expectNeverTwoAgents,
  expectOneAgent,
  expectStatus,
} from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();

describe('a worker that freezes', () => {
  it('in mid-start, past the heartbeat time-out: the adoption goes on with the start, one attempt, one agent', async () => {
    const town = await world.town({ agent: { coldStart: '5m', works: '20m' } });
    const bead = await town.sling();
    await town.advance('1m');
    town.host().freezeWorker();
    await town.advance('110s');
    await expectStatus(bead, 'in_progress', 'suspect');
    town.host().thawWorker();
    await bead.until('works', ({ agent }) => agent === 'working', '10m');
    const { status, attempts } = await bead.untilEnded();
    expect(status).toBe('closed');
    expect(attempts).toMatchObject([{ outcome: 'done', adoptions: 1 }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
  });

  it('in mid-start for longer than anybody waits: the next attempt runs elsewhere, and the thawed worker starts nothing', async () => {
    const town = await world.town({ hosts: ['frozen', 'spare'], agent: { coldStart: '5m', works: '40m' } });
    const bead = await town.sling();
    await town.advance('1m');
    town.host('frozen').freezeWorker();
    await bead.until(
      'runs on the spare host',
      ({ current }) => current?.host === town.host('spare').id && current.spawnedAt !== undefined,
    );
    town.host('frozen').thawWorker();
    const { status, attempts } = await bead.untilEnded('2h');
    expect(status).toBe('closed');
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'done']);
    expectOneAgent(bead);
  });

  it('with the runner already up: nobody notices, since the runner beats by itself', async () => {
    const town = await world.town({ agent: { works: '20m' } });
    const bead = await town.sling();
    await town.advance('1m');
    town.host().freezeWorker();
    const { status, attempts } = await bead.untilEnded();
    expect(status).toBe('closed');
    expect(attempts).toMatchObject([{ outcome: 'done', adoptions: 0 }]);
    expect(agentStatuses(bead)).not.toContain('suspect');
    expectOneAgent(bead);
  });

  it('holding the adoption in its hands: that times out as well, and the next adoption finds the agent', async () => {
    const town = await world.town({ agent: { works: '1h' } });
    const bead = await town.sling();
    await town.advance('1m');
    // The whole machine sleeps and wakes up again, past the heartbeat time-out; its worker stays frozen with a poll
    // open.
    town.host().partition();
    await town.advance('100s');
    await expectStatus(bead, 'in_progress', 'suspect');
    town.host().freezeWorker({ holdsPoll: true });
    town.host().heal();
    await town.advance('3m');
    town.host().thawWorker();
    const { status, attempts } = await bead.untilEnded('2h');
    expect(status).toBe('closed');
    expect(attempts).toMatchObject([{ outcome: 'done' }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
  });
});

describe('the beats of an agent that is up stop past the heartbeat time-out', () => {
  it('and come back: a heartbeat restores working at once, the adoption follows, one attempt, one agent', async () => {
    const town = await world.town({ agent: { coldStart: '75s', works: '30m' } });
    const bead = await town.sling();
    await bead.until('works', ({ agent }) => agent === 'working');
    town.host().partition();
    await town.advance('100s');
    await expectStatus(bead, 'in_progress', 'suspect');
    town.host().heal();
    await town.advance('15s');
    await expectStatus(bead, 'in_progress', 'working');
    const { status, attempts } = await bead.untilEnded();
    expect(status).toBe('closed');
    expect(attempts).toMatchObject([{ outcome: 'done', adoptions: 1 }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
    expectNeverTwoAgents(bead);
  });
});
