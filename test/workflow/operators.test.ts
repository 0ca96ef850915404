import { describe, expect, it } from 'vitest';
import { agentStatuses, expectNeverTwoAgents, expectOneAgent, expectStatus } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();
const minute = 60_000;

describe('cancel', () => {
  it('of a working agent: cancelled only when its process is gone', async () => {
    const town = await world.town({ agent: { works: '1h' } });
    const bead = await town.sling();
    await town.advance('5m');
    await bead.cancel();
    const state = await bead.untilEnded('5m');
    expect(state.status).toBe('cancelled');
    expect(bead.agents).toMatchObject([{ endedAt: expect.any(Number) as number }]);
    expect(bead.runs.at(-1)?.ended).toBe('cancelled');
    expect(agentStatuses(bead)).toEqual(['none', 'starting', 'working', 'stopping', 'none']);
  });

  it('of an agent that ignores SIGTERM waits for its SIGKILL', async () => {
    const town = await world.town({ agent: { works: '1h', ignoresSigterm: true } });
    const bead = await town.sling();
    await town.advance('5m');
    const ordered = town.clock.now();
    await bead.cancel();
    await expectStatus(bead, 'in_progress', 'stopping');
    await bead.untilEnded('5m');
    expect((bead.agents[0]?.endedAt ?? 0) - ordered).toBeGreaterThanOrEqual(20_000);
    expect((bead.agents[0]?.endedAt ?? 0) - ordered).toBeLessThan(25_000);
    await expectStatus(bead, 'cancelled', 'none');
  });

  it('in the middle of a cold start: nothing is ever spawned', async () => {
    const town = await world.town({ agent: { coldStart: '10m' } });
    const bead = await town.sling();
    await town.advance('2m');
    await bead.cancel();
    expect((await bead.untilEnded('5m')).status).toBe('cancelled');
    await town.advance('20m');
    expect(bead.agents).toEqual([]);
  });

  it('of a bead that waits for a slot', async () => {
    const town = await world.town({ maxAgents: 0 });
    const bead = await town.sling();
    await bead.cancel();
    expect((await bead.untilEnded('1m')).status).toBe('cancelled');
  });

  it('with the host out of reach: the lease decides, and the bead says that the end is not confirmed', async () => {
    const town = await world.town({ agent: { works: '2h' } });
    const bead = await town.sling();
    await town.advance('5m');
    town.host().partition();
    await town.advance('1m');
    await bead.cancel();
    const state = await bead.untilEnded('30m');
    expect(state.status).toBe('cancelled');
    expect(state.reason).toContain('not confirmed');
    expect(bead.agents[0]?.frozen).toBe(true);
    town.host().heal();
    await town.advance('5m');
    expect(bead.agents[0]?.endedAt).toBeDefined();
  });
});

describe('pause', () => {
  it('freezes the agent and every clock; resume lets both go on', async () => {
    const town = await world.town({ agent: { works: '30m' } });
    const bead = await town.sling();
    await town.advance('5m');
    await bead.pause();
    await expectStatus(bead, 'in_progress', 'paused');
    expect(bead.agents[0]?.frozen).toBe(true);
    await town.advance('9h');
    await expectStatus(bead, 'in_progress', 'paused');
    await bead.resume();
    await town.advance('1m');
    await expectStatus(bead, 'in_progress', 'working');
    expect(bead.agents[0]?.frozen).toBe(false);
    expect((await bead.untilEnded('1h')).attempts).toMatchObject([{ outcome: 'done' }]);
    expectOneAgent(bead);
    expect(bead.statuses.some(({ agent }) => agent === 'stalled' || agent === 'suspect')).toBe(false);
  });

  it('of a bead in the queue takes it out: nothing spawns until resume', async () => {
    const town = await world.town({ maxAgents: 1, agent: { works: '10m' } });
    const first = await town.sling();
    const second = await town.sling();
    await town.advance('1m');
    await second.pause();
    await first.untilEnded();
    await town.advance('20m');
    expect(second.agents).toEqual([]);
    await expectStatus(second, 'open', 'none');
    await second.resume();
    expect((await second.untilEnded()).status).toBe('closed');
    expectOneAgent(second);
  });

  it('during a cold start holds the agent back, or freezes it as soon as it is up', async () => {
    const town = await world.town({ agent: { coldStart: '5m', works: '20m' } });
    const bead = await town.sling();
    await town.advance('1m');
    await bead.pause();
    await town.advance('1h');
    expect(bead.agents.every(({ frozen }) => frozen)).toBe(true);
    await bead.resume();
    expect((await bead.untilEnded('2h')).status).toBe('closed');
    expectOneAgent(bead);
  });
});

describe('nudge', () => {
  it('reaches the agent and is acknowledged', async () => {
    const town = await world.town({ agent: { works: '20m', heedsMessages: true } });
    const bead = await town.sling();
    await town.advance('5m');
    await bead.nudge('mind the tests');
    await town.advance('1m');
    expect((await bead.state()).messages).toEqual([]);
    expect((await bead.untilEnded()).status).toBe('closed');
  });

  it('that no attempt has acknowledged goes into the next one', async () => {
    const town = await world.town({ agent: { works: '20m', ends: 'crashed' } });
    const bead = await town.sling({ agent: [{ works: '10m', ends: 'crashed' }, { works: '10m' }] });
    await town.advance('5m');
    await bead.nudge('mind the tests');
    await bead.untilEnded();
    const inputs = [...town.host().attempts.values()].map(({ input }) => input);
    expect(inputs[1]?.messages).toMatchObject([{ text: 'mind the tests', from: 'operator' }]);
  });

  it('with rubbish is refused and harms nothing', async () => {
    const town = await world.town();
    const bead = await town.sling();
    await expect(bead.nudge('')).rejects.toThrow();
    await expect(bead.nudge('x'.repeat(100_000))).rejects.toThrow();
    expect((await bead.state()).messages).toEqual([]);
  });
});

describe('how an agent ends', () => {
  it('without a report, with status 0: not a success, tried again with a note', async () => {
    const town = await world.town();
    const bead = await town.sling({ agent: [{ works: '10m', ends: 'silently' }, { works: '10m' }] });
    const closed = await bead.untilEnded();
    expect(closed.attempts).toMatchObject([{ outcome: 'unreported', countedAs: 'agent' }, { outcome: 'done' }]);
    expect([...town.host().attempts.values()][1]?.input.notes.join()).toContain('without a report');
  });

  it('by a crash, five times: a person is asked; the work is kept', async () => {
    const town = await world.town({ agent: { works: '7m', ends: 'crashed' } });
    const bead = await town.sling();
    const blocked = await bead.until('is blocked', ({ status }) => status === 'blocked', '3h');
    expect(blocked.used.agentFailures).toBe(5);
    expect(blocked.checkpoint).toBeDefined();
    expect(blocked.attention).toBe('blocked');
    expectNeverTwoAgents(bead);
  });

  it('refused by its provider: waits as long as that says, and nothing is used up', async () => {
    const town = await world.town();
    const bead = await town.sling({
      agent: [{ works: '2m', ends: 'rate_limited', retryAfter: '45m' }, { works: '10m' }],
    });
    const waiting = await bead.until('waits', ({ wait }) => wait?.for === 'backoff');
    expect(waiting.status).toBe('open');
    const [first] = waiting.attempts;
    const closed = await bead.untilEnded('2h');
    expect(closed.used.agentFailures).toBe(0);
    const pause = (closed.attempts[1]?.startedAt ?? 0) - (first?.endedAt ?? 0);
    expect(pause).toBeGreaterThanOrEqual(45 * minute);
    expect(pause).toBeLessThan(46 * minute);
  });

  it('for want of a login at the third try, or asking for a person: blocked, and retry goes on', async () => {
    const town = await world.town();
    const bead = await town.sling({
      agent: [
        { works: '1m', ends: 'auth_failed' },
        { works: '1m', ends: 'auth_failed' },
        { works: '1m', ends: 'auth_failed' },
        { works: '1m', ends: 'escalated' },
        { works: '1m' },
      ],
    });
    const { attempts, used } = await bead.until('is blocked', ({ status }) => status === 'blocked');
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['auth_failed', 'auth_failed', 'auth_failed']);
    expect(used.agentFailures).toBe(0);
    await bead.retry();
    const asking = await bead.until(
      'is blocked again',
      ({ status, attemptCount }) => status === 'blocked' && attemptCount === 4,
    );
    expect(asking.reason).toContain('which of the two?');
    await bead.retry();
    expect((await bead.untilEnded()).status).toBe('closed');
  });

  it('past maxRuntime: stopped, its work saved; a pause does not count', async () => {
    const town = await world.town({
      clocks: { maxRuntime: 60 * minute },
      agent: { works: 'forever' },
      beatStep: '30s',
      budgets: { agentFailures: 1 },
    });
    const bead = await town.sling();
    await town.advance('10m');
    await bead.pause();
    await town.advance('2h');
    await bead.resume();
    await town.advance('45m');
    await expectStatus(bead, 'in_progress', 'working');
    const blocked = await bead.until('is blocked', ({ status }) => status === 'blocked', '10m');
    expect(blocked.attempts).toMatchObject([{ outcome: 'timed_out', countedAs: 'agent' }]);
    expect(bead.agents[0]?.endedAt).toBeDefined();
  });
});

describe('a budget that is used up', () => {
  it('holds no finished work back that a full remote has not taken yet: it lands when the remote takes it', async () => {
    const town = await world.town({ agent: { works: '5m', costUsd: 2 }, budgets: { maxCostUsd: 1 } });
    town.remote.refuses = 'for now';
    const bead = await town.sling();
    await town.advance('20m');
    expect(await bead.state()).toMatchObject({
      status: 'open',
      wait: { for: 'backoff' },
      unpushed: { host: town.host().id },
      usage: { costUsd: 2 },
    });
    town.remote.refuses = undefined;
    expect(await bead.untilEnded('11m')).toMatchObject({ status: 'closed', attemptCount: 1 });
    expect(bead.agents).toHaveLength(1);
  });

  it('keeps the next agent of a bead from starting', async () => {
    const town = await world.town({ agent: { works: '5m', costUsd: 2, ends: 'silently' }, budgets: { maxCostUsd: 1 } });
    const bead = await town.sling();
    await town.advance('20m');
    expect(await bead.state()).toMatchObject({ status: 'blocked', attemptCount: 1 });
  });
});
