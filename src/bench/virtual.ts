import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { World } from '../testing/index.js';
import type { Figure } from './figures.js';

/** What can be measured under virtual time: history of a talking agent, and how much faster than life the proof of the slow start runs. */
export async function virtual({ hours = 4 } = {}): Promise<Figure[]> {
  const world = await World.open();
  try {
    const talking = await world.town({ agent: { coldStart: '1m', chatter: '10s', works: 'forever' }, beatStep: '60s' });
    const bead = await talking.sling();
    await talking.advance('2m');
    const handle = world.client.workflow.getHandle(`bead-${bead.id}`);
    const events = async (): Promise<number> => (await handle.describe()).historyLength;
    const before = await events();
    await talking.advance(`${hours}h`);
    const perHour = (await events() - before) / hours;
    await talking.close();
    const textbookPerHour = await textbook(world);
    const slow = await world.town({ agent: { coldStart: '60m', works: '20m' } });
    const [virtualBegin, realBegin] = [slow.clock.now(), performance.now()];
    const { status } = await (await slow.sling()).untilEnded('2h');
    if (status !== 'closed') throw new Error(`the bead with the slow start is ${status}`);
    const [virtualMs, realMs] = [slow.clock.now() - virtualBegin, performance.now() - realBegin];
    return [
      { name: 'events_per_agent_hour', value: perHour, unit: 'events', against: { what: 'textbook: a signal every 30 s re-arms a timer', value: textbookPerHour }, ratio: perHour / textbookPerHour, how: `an agent that speaks every 10 s, for ${hours} virtual hours; the textbook for one` },
      { name: 'virtual_over_real', value: virtualMs / 1_000, unit: 's', against: { what: 'real time', value: realMs / 1_000 }, ratio: virtualMs / realMs, how: 'a 60 min cold start and 20 min of work, beats every 10 s, on the time-skipping server' },
    ];
  } finally {
    await world.close();
  }
}

async function textbook(world: World): Promise<number> {
  const workflowBundle = await bundleWorkflowCode({ workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)), logger: new DefaultLogger('ERROR') });
  const worker = await Worker.create({ connection: world.environment.nativeConnection, taskQueue: 'textbook', workflowBundle });
  const running = worker.run();
  try {
    const handle = await world.client.workflow.start('textbook', { taskQueue: 'textbook', workflowId: 'textbook', args: [2] });
    world.watch.watch(handle.workflowId, handle.firstExecutionRunId);
    const before = (await handle.describe()).historyLength;
    for (let beat = 0; beat < 120; beat += 1) {
      await handle.signal('heartbeat');
      await world.clock.advance('30s');
    }
    const { historyLength } = await handle.describe();
    await handle.terminate('measured');
    return historyLength - before;
  } finally {
    worker.shutdown();
    await running;
  }
}
