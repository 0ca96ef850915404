import { inject, describe, expect, it, beforeAll, afterAll, afterEach } from 'vitest';
import { milliseconds, World } from '../../src/testing/index.js';
import type { Town } from '../../src/testing/index.js';

let world: World;
beforeAll(async () => {
  world = await World.open({
    serverPath: inject('testServer'),
    workflowBundle: { codePath: inject('workflowBundle') },
  });
});
afterEach(() => world.closeTowns());
afterAll(() => world.close());

/** The kit knows every lock that is held on time: a jump never gets stuck and never runs past its mark. */
async function expectBooksInOrder(): Promise<void> {
  const before = world.clock.uncountedLocks;
  const from = await world.clock.synchronise();
  const started = performance.now();
  await world.clock.advance('20m');
  const passed = (await world.clock.synchronise()) - from - (performance.now() - started);
  expect(passed).toBeGreaterThan(milliseconds('20m') - (performance.now() - started) - 1);
  expect(passed).toBeLessThan(milliseconds('20m') + 50);
  expect(world.clock.uncountedLocks).toBe(before);
}

describe('virtual time', () => {
  it('passes exactly with nothing pending', async () => {
    await expectBooksInOrder();
  });

  it('keeps appointments in order, at their instants', async () => {
    const seen: [string, number][] = [];
    const start = await world.clock.synchronise();
    const note = (name: string) => (): void => void seen.push([name, world.clock.now() - start]);
    world.clock.at(start + 7_200_000, note('two hours'));
    world.clock.at(start + 1_000, note('a second'));
    const cancel = world.clock.at(start + 2_000, note('never'));
    world.clock.at(start + 3_600_000, () => world.clock.at(world.clock.now() + 60_000, note('an hour and a minute')));
    cancel();
    await world.clock.advance('3h');
    expect(seen.map(([name]) => name)).toEqual(['a second', 'an hour and a minute', 'two hours']);
    for (const [[, at], due] of seen.map((one, i) => [one, [1_000, 3_660_000, 7_200_000][i]] as const)) {
      expect(at).toBeGreaterThanOrEqual(due ?? 0);
      expect(at - (due ?? 0)).toBeLessThan(500);
    }
  });

  it('says what did not come true', async () => {
    await expect(world.clock.until('pigs fly', () => false, '10m')).rejects.toThrow('pigs fly');
  });

  it('refuses two advances at once', async () => {
    const first = world.clock.advance('1m');
    await expect(world.clock.advance('1m')).rejects.toThrow('already');
    await first;
  });

  it('that stands still spoils its world: it says so when its towns end, and goes down', async () => {
    const spoiled = await World.open({
      serverPath: inject('testServer'),
      workflowBundle: { codePath: inject('workflowBundle') },
    });
    const town = await spoiled.town({ agent: { works: 'forever' } });
    await town.sling();
    spoiled.clock.after('1s', () => new Promise(() => undefined));
    void spoiled.clock.advance('1m').catch(() => undefined);
    await expect(spoiled.closeTowns()).rejects.toThrow('still at it');
    await expect(spoiled.close()).rejects.toThrow('has been closed');
    await expect(spoiled.client.workflowService.getSystemInfo({})).rejects.toThrow();
  });

  it('begins nothing right before a timer: the server forgets a workflow task that cancels one which fired meanwhile', async () => {
    // The agent falls silent: no heartbeat moves the timer any more.
    const town = await world.town({ agent: { silence: { from: '6m' } } });
    const bead = await town.sling();
    await world.clock.advance('9m');
    const timer = Math.min(...(bead.runs.at(-1)?.timers.values() ?? []));
    let cancelledAt = 0;
    world.clock.at(timer - 40, async () => {
      cancelledAt = world.clock.now();
      await world.client.workflow.getHandle(bead.workflowId).cancel();
      town.wake();
    });
    await bead.untilEnded('2h');
    expect(cancelledAt).toBeGreaterThan(timer);
    expect((await bead.state()).status).toBe('cancelled');
  });
});

describe('the books of the locks on time are in order', () => {
  const quiet = { firstOutput: 'never', works: 'forever' } as const;
  const steady: Parameters<World['town']>[0] = {
    agent: { works: 'forever' },
    beatStep: '60s',
    clocks: { maxRuntime: milliseconds('2d') },
  };
  const withAgent = async (town: Town): Promise<void> => {
    const bead = await town.sling();
    await bead.until('works', ({ agent }) => agent === 'working');
  };

  it('with three agents at work', async () => {
    const town = await world.town(steady);
    for (let i = 0; i < 3; i++) await withAgent(town);
    await expectBooksInOrder();
  });

  it('after workflows were terminated under running activities', async () => {
    const town = await world.town(steady);
    await withAgent(town);
    await withAgent(town);
    await town.close();
    await expectBooksInOrder();
  });

  it('after activities timed out by silence, and in the queue of a host that does not poll', async () => {
    const town = await world.town({ ...steady, hosts: ['gone', 'spare'] });
    await withAgent(town);
    town.host('gone').die();
    await town.advance('20m');
    await expectBooksInOrder();
  });

  it('after an activity that nobody had started was cancelled', async () => {
    const town = await world.town({ ...steady, maxAgents: 0 });
    const bead = await town.sling();
    await bead.cancel();
    await bead.untilEnded();
    await expectBooksInOrder();
  });

  it('after retries of a failing activity', async () => {
    const town = await world.town({ agent: { works: '1m' } });
    const bead = await town.sling();
    town.remote.away = true;
    await town.advance('10m');
    expect((await bead.state()).status).toBe('in_review');
    await expectBooksInOrder();
    town.remote.away = false;
    await bead.untilEnded();
    await expectBooksInOrder();
  });

  it('after an attempt was stopped for its silence', async () => {
    const town = await world.town({ agent: quiet, beatStep: '60s', budgets: { agentFailures: 1 } });
    const bead = await town.sling();
    await bead.until('is blocked', ({ status }) => status === 'blocked');
    await expectBooksInOrder();
  });
});
