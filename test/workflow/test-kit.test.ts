import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { expectNeverOpenAgain, expectOneAgent, World } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

describe('the clock of another project', () => {
  let world: World;
  beforeAll(async () => {
    const bundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('support/reminder.ts', import.meta.url)),
      logger: new DefaultLogger('ERROR'),
    });
    world = await World.open({ serverPath: inject('testServer'), workflowBundle: bundle });
  });
  afterAll(() => world?.close());

  it('jumps from reminder to reminder of a workflow that has nothing to do with beads, with an activity in somebody’s hands', async () => {
    const worker = await Worker.create({
      connection: world.environment.nativeConnection,
      taskQueue: 'reminders',
      workflowBundle: world.workflowBundle,
    });
    const running = worker.run();
    try {
      const reminded: number[] = [];
      world.desk.serve('letters', () => async (task) => {
        reminded.push(world.clock.now());
        await task.complete(`letter ${reminded.length}`);
      });
      const handle = await world.client.workflow.start('reminder', { taskQueue: 'reminders', workflowId: 'invoice-7' });
      world.watch.watch(handle.workflowId, handle.firstExecutionRunId);
      const begin = world.clock.now();
      await world.clock.advance('50h');
      expect(reminded.map((at) => Math.round((at - begin) / 3_600_000))).toEqual([24, 48]);
      await handle.signal('paid');
      world.watch.touch(handle.workflowId);
      await world.clock.advance('1s');
      expect(await handle.result()).toBe(2);
    } finally {
      worker.shutdown();
      await running;
    }
  });
});

describe('faults of a fake host', () => {
  const kit = useWorld();

  it('a clock that is set back or forward by hours costs no attempt; forward, the lease stops the agent until the next beat', async () => {
    const town = await kit.town({ agent: { works: '40m' }, beatStep: '30s' });
    const bead = await town.sling();
    await town.advance('5m');
    town.host().setClock(-5 * 3_600_000);
    await town.advance('10m');
    town.host().setClock(9 * 3_600_000);
    const closed = await bead.untilEnded('2h');
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expect(bead.facts.filter(({ kind }) => kind === 'freeze' || kind === 'thaw').map(({ kind }) => kind)).toEqual([
      'freeze',
      'thaw',
    ]);
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
  });

  it('a result that is told twice counts once', async () => {
    const town = await kit.town({ agent: { works: '5m' }, beatStep: '30s' });
    town.host().repeatNextReport();
    const bead = await town.sling();
    const closed = await bead.untilEnded('1h');
    expect(closed.attempts).toMatchObject([{ outcome: 'done' }]);
    expect(bead.facts.find(({ kind }) => kind === 'reported-again')?.text).toBe('refused');
  });
});
