import { describe, expect, it } from 'vitest';
import { expectNeverOpenAgain, expectNeverTwoAgents, expectOneAgent, expectStatus } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();
const minute = 60_000;

describe('a host that is lost with a working agent', () => {
  it('the attempt is given up only after giveUpAfter, the next one goes on elsewhere from the pushed work, and the agent is not blamed', async () => {
    const town = await world.town({ hosts: ['mortal', 'spare'], agent: { works: '40m' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('16m');
    town.host('mortal').die();
    await town.advance('10m');
    await expectStatus(bead, 'in_progress', 'suspect');
    expect((await bead.state()).deadline).toMatchObject({ what: 'give-up' });
    const closed = await bead.untilEnded('2h');
    expect(closed.status).toBe('closed');
    expect(closed.attempts).toMatchObject([{ outcome: 'lost', countedAs: 'infra' }, { outcome: 'done' }]);
    expect(closed.used.agentFailures).toBe(0);
    const [first, second] = closed.attempts;
    expect((second?.startedAt ?? 0) - (first?.endedAt ?? 0)).toBeLessThan(minute);
    const input = town.host('spare').attempts.get(second?.id ?? '')?.input;
    // What the first one gained is its own; the next one goes on from the same commit.
    expect(input?.checkpoint).toBeDefined();
    expect(first?.checkpoint).toMatchObject({ ...input?.checkpoint });
    expectNeverTwoAgents(bead);
  });

  it('that takes every adoption and does nothing with it is given up all the same', async () => {
    const town = await world.town({
      hosts: ['hangs', 'spare'],
      maxAgents: 1,
      agent: { coldStart: '10m', works: '20m' },
      beatStep: '30s',
    });
    const bead = await town.sling();
    await town.advance('5m');
    town.host('hangs').hangWorker();
    const closed = await bead.untilEnded('2h');
    expect(closed.attempts.map(({ outcome, host }) => [outcome, host?.split('.')[0]])).toEqual([
      ['lost', 'hangs'],
      ['done', 'spare'],
    ]);
    expectNeverTwoAgents(bead);
  });

  it('an operator who knows better overrides the wait', async () => {
    const town = await world.town({ hosts: ['mortal', 'spare'], agent: { works: '20m' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('5m');
    await expect(bead.retry()).rejects.toThrow();
    town.host('mortal').die();
    await town.advance('3m');
    await expect(bead.retry()).rejects.toMatchObject({
      cause: { message: expect.stringContaining('retry with now') as string },
    });
    await bead.retry({ now: true });
    await town.advance('1m');
    await expectStatus(bead, 'in_progress', 'working');
    expect((await bead.untilEnded()).attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'done']);
  });

  it('that had finished and pushed, but could not say so: its work is found, and nobody redoes it', async () => {
    const town = await world.town({ hosts: ['mortal', 'spare'], agent: { works: '10m' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('8m');
    town.host('mortal').partition({ remoteToo: false });
    await town.advance('3m');
    town.host('mortal').die();
    const closed = await bead.untilEnded();
    expect(closed.status).toBe('closed');
    expect(closed.attempts.map(({ outcome }) => outcome)).toEqual(['lost']);
    expectOneAgent(bead);
  });

  it('that comes back without its disk says so, and the next attempt follows at once', async () => {
    const town = await world.town({ agent: { works: '20m' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('5m');
    town.host().die();
    await town.advance('2m');
    town.host().revive({ emptyDisk: true });
    await bead.until('has its second attempt', ({ current }) => current?.number === 2, '2m');
    expect((await bead.untilEnded()).status).toBe('closed');
    expectNeverTwoAgents(bead);
  });

  it('that reboots reports the attempt lost with its work, without waiting for giveUpAfter', async () => {
    const town = await world.town({ agent: { works: '30m' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('12m');
    town.host().die();
    await town.advance('2m');
    town.host().revive();
    const second = await bead.until('has its second attempt', ({ current }) => current?.number === 2, '3m');
    expect(second.checkpoint).toBeDefined();
    expect((await bead.untilEnded()).attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'done']);
    expectNeverTwoAgents(bead);
  });

  it('while it stops the agent: the bead is cancelled without it, and time goes on', async () => {
    const town = await world.town({
      hosts: ['mortal'],
      agent: { works: '40m', ignoresSigterm: true },
      beatStep: '170s',
      clocks: { heartbeatTimeout: 180_000 },
    });
    const bead = await town.sling();
    await town.advance('10m');
    await bead.cancel();
    // The agent has 20 s to end.
    await town.advance(200);
    expect(bead.agents.map(({ endedAt }) => endedAt)).toEqual([undefined]);
    town.host('mortal').die();
    // Its task is tried again, and nobody takes it.
    expect((await bead.untilEnded('2h')).status).toBe('cancelled');
  });
});

describe('a runner and its agent that are killed', () => {
  it('are missed within seconds, not after the heartbeat time-out', async () => {
    const town = await world.town({ agent: { works: '30m' } });
    const bead = await town.sling();
    await town.advance('12m');
    const killedAt = town.clock.now();
    town.host().killRunner(bead.id);
    const state = await bead.until(
      'has its second agent up',
      ({ current }) => current?.number === 2 && current.spawnedAt !== undefined,
      '2m',
    );
    expect((state.current?.spawnedAt ?? 0) - killedAt).toBeLessThan(30_000);
    expect(state.attempts).toMatchObject([{ outcome: 'lost', countedAs: 'infra' }]);
    expectNeverTwoAgents(bead);
  });

  it('after the result was written down: the adoption finds the result, and no attempt is used', async () => {
    const town = await world.town({ agent: { works: '10m' } });
    const bead = await town.sling();
    town.host().loseNextReport();
    const closed = await bead.untilEnded();
    expect(closed.status).toBe('closed');
    expect(closed.attempts).toMatchObject([{ outcome: 'done', adoptions: 1 }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
  });

  it('again and again without any progress: a person is asked, with the reason', async () => {
    const town = await world.town({ agent: { firstOutput: '5m' }, budgets: { infraLosses: 3 } });
    const bead = await town.sling();
    for (let i = 1; i <= 3; i++) {
      await bead.until(
        `agent ${i} is up`,
        ({ current }) => current?.number === i && current.spawnedAt !== undefined,
        '20m',
      );
      town.host().killRunner(bead.id);
    }
    const blocked = await bead.until('is blocked', ({ status }) => status === 'blocked', '2m');
    expect(blocked.reason).toContain('3 attempts in a row');
    await bead.retry();
    await bead.until('works again', ({ agent }) => agent === 'working');
    expectNeverTwoAgents(bead);
  });
});

describe('an agent that says a word and is killed from outside', () => {
  it('every time: each start is further off than the last, and then a person is asked', async () => {
    const town = await world.town({
      agent: { works: '4m', ends: 'killed', changesNothing: true },
      budgets: { infraLosses: 5 },
    });
    const bead = await town.sling();
    const blocked = await bead.until('is blocked', ({ status }) => status === 'blocked', '1h');
    expect(blocked.reason).toContain('5 attempts in a row were lost without any saved work');
    const starts = blocked.attempts.map(({ startedAt }) => startedAt);
    const between = starts.slice(1).map((at, n) => Math.floor((at - (blocked.attempts[n]?.endedAt ?? 0)) / 10_000));
    expect(between).toEqual([0, 2, 4, 8]);
    expect(blocked.attempts.map(({ progress, saved }) => [progress, saved])).toEqual(
      Array.from({ length: 5 }, () => [true, undefined]),
    );
  });

  it('but leaves saved work each time: the next follows at once', async () => {
    const town = await world.town({ agent: { works: '10m', ends: 'killed' } });
    const bead = await town.sling();
    const third = await bead.until('is at its third', ({ current }) => current?.number === 3, '1h');
    expect(third.used.infraLosses).toBe(0);
    expect(third.attempts.map(({ saved, outcome }) => [saved, outcome])).toEqual([
      [true, 'lost'],
      [true, 'lost'],
    ]);
    expect((third.attempts[1]?.startedAt ?? 0) - (third.attempts[0]?.endedAt ?? 0)).toBeLessThan(10_000);
  });
});

describe('a partition', () => {
  it('longer than leaseFor freezes the agent, and its end thaws it: no attempt is used', async () => {
    const town = await world.town({
      agent: { works: '40m' },
      clocks: { leaseFor: 3 * minute, giveUpAfter: 30 * minute },
    });
    const bead = await town.sling();
    await town.advance('5m');
    town.host().partition();
    await town.advance('4m');
    expect(bead.agents[0]?.frozen).toBe(true);
    town.host().heal();
    await town.advance('1m');
    expect(bead.agents[0]?.frozen).toBe(false);
    await expectStatus(bead, 'in_progress', 'working');
    const closed = await bead.untilEnded('2h');
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
  });

  it('in which the bead has moved on: never two agents at once, and the one that returns is ended, its work on its own ref', async () => {
    const town = await world.town({ hosts: ['cut-off', 'spare'], agent: { works: '3h' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('12m');
    const first = bead.agents[0];
    town.host('cut-off').partition();
    await bead.until(
      'has its second agent',
      ({ current }) => current?.number === 2 && current.spawnedAt !== undefined,
      '30m',
    );
    expect(first).toMatchObject({ frozen: true });
    expect(first?.endedAt).toBeUndefined();
    town.host('cut-off').heal();
    await town.advance('5m');
    expect(first?.endedAt).toBeDefined();
    expect(town.remote.refs.has(`refs/heartbead/${bead.id}/${first?.attempt}/wip`)).toBe(true);
    await expectStatus(bead, 'in_progress', 'working');
    expect((await bead.state()).attempts.length).toBe(1);
    expectNeverTwoAgents(bead);
  });

  it('of the server from everybody for 3 hours costs time, but no attempt', async () => {
    const town = await world.town({
      agent: { works: '1h' },
      clocks: { giveUpAfter: 4 * 60 * minute },
      beatStep: '30s',
    });
    const bead = await town.sling();
    await town.advance('5m');
    town.host().partition();
    await town.advance('3h');
    town.host().heal();
    const closed = await bead.untilEnded('2h');
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
  });
});

describe('a task that the server hands to a worker which never hears of it', () => {
  it('comes again within half a minute, whichever of the short ones it is', async () => {
    const town = await world.town({ agent: { works: '1m' } });
    await town.rig('losing');
    const bead = (id: string, ...needs: string[]) => ({ id, title: `work ${id}`, needs });
    const convoy = await town.convoy({
      convoy: 'broken',
      rig: 'losing',
      beads: [bead('left'), bead('right'), bead('end', 'left', 'right')],
    });
    expect((await convoy.untilEnded('2h')).status).toBe('landed');
    /** By type: after how many seconds the server gives an answer up that does not come, as the histories say. */
    const givenUpAfter = new Map<string, number>();
    for (const { workflowId } of [convoy, ...town.beads]) {
      const { events } = await town.world.client.workflow.getHandle(workflowId).fetchHistory();
      for (const { activityTaskScheduledEventAttributes: scheduled } of events ?? []) {
        const [beat, end] = [scheduled?.heartbeatTimeout, scheduled?.startToCloseTimeout].map((time) =>
          Number(time?.seconds ?? 0),
        );
        if (scheduled?.activityType?.name) givenUpAfter.set(scheduled.activityType.name, beat || end || Infinity);
      }
    }
    expect(Object.fromEntries(givenUpAfter)).toEqual({
      readRig: 30,
      startBead: 30,
      lookAtBranch: 30,
      verifyWork: 30,
      startAgent: 90,
    });
  });
});
