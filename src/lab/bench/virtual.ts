import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { World } from '../../testing/index.js';
import type { Figure } from './figures.js';

/**
 * What can be measured under virtual time: history of a talking agent, and how much faster than life the proof of the
 * slow start runs.
 */
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
    const perHour = ((await events()) - before) / hours;
    await talking.close();
    const textbookPerHour = await textbook(world);
    const calm = await world.town({
      agent: { chatter: '10s', works: 'forever' },
      beatStep: '60s',
      clocks: { signalEvery: 240_000, stalledAfter: 600_000 },
    });
    const quiet = await calm.sling();
    await calm.advance('2m');
    const quietEvents = async (): Promise<number> =>
      (await world.client.workflow.getHandle(`bead-${quiet.id}`).describe()).historyLength;
    const quietBefore = await quietEvents();
    await calm.advance(`${hours}h`);
    const quietPerHour = ((await quietEvents()) - quietBefore) / hours;
    await calm.close();
    const detected = await detection(world);
    const slow = await world.town({ agent: { coldStart: '60m', works: '20m' } });
    const [virtualBegin, realBegin] = [slow.clock.now(), performance.now()];
    const { status } = await (await slow.sling()).untilEnded('2h');
    if (status !== 'closed') throw new Error(`the bead with the slow start is ${status}`);
    const [virtualMs, realMs] = [slow.clock.now() - virtualBegin, performance.now() - realBegin];
    return [
      {
        name: 'events_per_agent_hour',
        report: 'value',
        value: perHour,
        unit: 'events',
        against: { what: 'textbook: a signal every 30 s re-arms a timer', value: textbookPerHour },
        ratio: perHour / textbookPerHour,
        how: `an agent that speaks every 10 s, for ${hours} virtual hours; the textbook for one`,
      },
      {
        name: 'events_per_agent_hour_calm',
        value: quietPerHour,
        unit: 'events',
        against: { what: 'textbook: a signal every 30 s re-arms a timer', value: textbookPerHour },
        ratio: quietPerHour / textbookPerHour,
        how: 'the same with a signal every 4 min and stalled after 10 min (`clocks` of the bead or rig)',
        report: 'value',
      },
      {
        name: 'events_per_agent_hour_textbook',
        value: textbookPerHour,
        unit: 'events',
        how: 'a signal every 30 s, each of which re-arms a timer',
      },
      ...detected,
      {
        name: 'virtual_over_real',
        value: virtualMs / 1_000,
        unit: 's',
        against: { what: 'real time', value: realMs / 1_000 },
        ratio: virtualMs / realMs,
        how: 'a 60 min cold start and 20 min of work, beats every 10 s, on the time-skipping server',
      },
    ];
  } finally {
    await world.close();
  }
}

/** From a fault to the verdict and to the next agent, in virtual time: exact, since nothing but the clocks decides. */
async function detection(world: World): Promise<Figure[]> {
  const gone = await world.town({
    hosts: ['mortal', 'spare'],
    agent: { works: 'forever', coldStart: '1s' },
    beatStep: '10s',
  });
  const bead = await gone.sling();
  await gone.advance('6m');
  const fault = gone.clock.now();
  gone.host('mortal').die();
  const { attempts, current } = await bead.until(
    'the next agent is up',
    (state) => state.current?.number === 2 && state.current.spawnedAt !== undefined,
    '1h',
  );
  await gone.close();
  const mute = await world.town({
    agent: { works: 'forever', coldStart: '1s', silence: { from: '6m' } },
    beatStep: '10s',
  });
  const silent = await mute.sling();
  const told = await silent.until('it counts as stalled', ({ agent }) => agent === 'stalled', '1h');
  const lost = await silent.until(
    'the next agent is up',
    (state) => state.current?.number === 2 && state.current.spawnedAt !== undefined,
    '2h',
  );
  await mute.close();
  const minutes = (ms: number): number => ms / 60_000;
  return [
    {
      name: 'host_death_to_verdict',
      value: minutes((attempts[0]?.endedAt ?? 0) - fault),
      unit: 'min',
      how:
        'a host that dies with its agent and does not come back: suspect after the heartbeat time-out (90 s), ' +
        'given up when its lease has certainly frozen the agent',
      report: 'value',
    },
    {
      name: 'host_death_to_respawn',
      value: minutes((current?.spawnedAt ?? 0) - fault),
      unit: 'min',
      how: 'to the next agent, on another host',
      report: 'value',
    },
    {
      name: 'silence_to_nudge',
      value: minutes((told.current?.stalledAt ?? 0) - (told.current?.lastProgressAt ?? 0)),
      unit: 'min',
      how: 'from the last sign of progress to `stalled` and the nudge',
      report: 'value',
    },
    {
      name: 'silence_to_respawn',
      value: minutes((lost.current?.spawnedAt ?? 0) - (told.current?.lastProgressAt ?? 0)),
      unit: 'min',
      how: 'from the last sign of progress to the next attempt’s agent',
      report: 'value',
    },
  ];
}

async function textbook(world: World): Promise<number> {
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  const worker = await Worker.create({
    connection: world.environment.nativeConnection,
    taskQueue: 'textbook',
    workflowBundle,
  });
  const running = worker.run();
  try {
    const handle = await world.client.workflow.start('textbook', {
      taskQueue: 'textbook',
      workflowId: 'textbook',
      args: [2],
    });
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
