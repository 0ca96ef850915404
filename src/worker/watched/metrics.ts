import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { beadStatuses, isFinal, searchAttributes, taskQueues } from '../../contract/index.js';
import { within } from '../../client/deadline.js';
import type { TownConnection } from '../../client/connect.js';
import { visibilityQuery } from '../../client/list.js';
import type { Host } from '../../host/index.js';
import { packageVersion } from '../../version.js';

export interface WatchedParts {
  town: Pick<TownConnection, 'client' | 'connection' | 'namespace' | 'taskQueue'>;
  host: Pick<Host, 'hostId' | 'places' | 'runners'>;
  maxAgents: number;
}

/** What was asked of the server is good for so long, however often somebody scrapes. */
const askEvery = 10_000;
/** Prometheus waits 10 s for a scrape. */
const answersWithin = 4_000;

/**
 * What a worker tells of itself (its process, its agents) and of its town (beads, queues). All workers of a town tell
 * the same of it: a query takes the `max` over them. No label is the id of a bead or an attempt.
 */
export function workerMetrics({ town, host, maxAgents }: WatchedParts): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: 'heartbead_build_info',
    help: 'always 1; the version of Heartbead is a label',
    labelNames: ['version'],
    registers,
  })
    .labels(packageVersion())
    .set(1);
  new Gauge({
    name: 'heartbead_agents',
    help: 'attempts that live on this host',
    labelNames: ['host'],
    registers,
    collect() {
      this.labels(host.hostId).set(host.runners.count);
    },
  });
  new Gauge({
    name: 'heartbead_agent_places',
    help: 'attempts that this host may have at once',
    labelNames: ['host'],
    registers,
    collect() {
      this.labels(host.hostId).set(maxAgents);
    },
  });
  new Gauge({
    name: 'heartbead_host_obstructed',
    help: '1 when something is in the way of new attempts on this host (a full disk, say)',
    labelNames: ['host'],
    registers,
    collect() {
      this.labels(host.hostId).set(host.places.obstacle === undefined ? 0 : 1);
    },
  });
  townMetrics(town, registry);
  return registry;
}

interface TownFigures {
  beads: Record<string, number>;
  attention: number;
  queues: Record<string, { waiting: number; ageSeconds: number }>;
}

function townMetrics(town: WatchedParts['town'], registry: Registry): void {
  let asked: { at: number; figures: Promise<TownFigures | undefined> } | undefined;
  const figures = (): Promise<TownFigures | undefined> => {
    if (asked === undefined || performance.now() - asked.at > askEvery)
      asked = { at: performance.now(), figures: figuresOf(town).catch(() => undefined) };
    return asked.figures;
  };
  const registers = [registry];
  new Gauge({
    name: 'heartbead_town_up',
    help: '1 when the server could be asked for the figures of the town; they are missing when it is 0',
    registers,
    async collect() {
      this.set((await figures()) === undefined ? 0 : 1);
    },
  });
  const gauge = (
    name: string,
    help: string,
    label: string,
    values: (figures: TownFigures) => Record<string, number>,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      async collect() {
        this.reset();
        for (const [word, value] of Object.entries(values((await figures()) ?? nothing))) this.labels(word).set(value);
      },
    });
  };
  gauge('heartbead_beads', 'open beads of the town by status', 'status', ({ beads }) => beads);
  gauge('heartbead_queue_tasks', 'tasks that wait in a queue of the town', 'queue', ({ queues }) =>
    mapped(queues, ({ waiting }) => waiting),
  );
  gauge('heartbead_queue_age_seconds', 'how long the oldest task of a queue has waited', 'queue', ({ queues }) =>
    mapped(queues, ({ ageSeconds }) => ageSeconds),
  );
  new Gauge({
    name: 'heartbead_beads_needing_attention',
    help: 'open beads of the town that a person should look at',
    registers,
    async collect() {
      this.reset();
      const known = await figures();
      if (known === undefined) this.remove();
      else this.set(known.attention);
    },
  });
}

const nothing: TownFigures = { beads: {}, attention: 0, queues: {} };
const mapped = <V>(of: Record<string, V>, value: (one: V) => number): Record<string, number> =>
  Object.fromEntries(Object.entries(of).map(([key, one]) => [key, value(one)]));

async function figuresOf(town: WatchedParts['town']): Promise<TownFigures> {
  const { taskQueue } = town;
  const open = visibilityQuery({ taskQueue });
  const count = async (query: string): Promise<number> =>
    (await within(town.client, answersWithin, () => town.client.workflow.count(query))).count;
  const statuses = beadStatuses.filter((status) => !isFinal(status));
  const queues = {
    main: taskQueues.main(taskQueue),
    agents: taskQueues.agents(taskQueue),
    merge: taskQueues.merge(taskQueue),
  };
  const [beads, attention, waiting] = await Promise.all([
    Promise.all(
      statuses.map(
        async (status) => [status, await count(`${open} AND ${searchAttributes.beadStatus} = '${status}'`)] as const,
      ),
    ),
    count(`${open} AND ${searchAttributes.attention} IS NOT NULL`),
    Promise.all(
      Object.entries(queues).map(
        async ([name, queue]) => [name, await backlogOf(town, queue, name === 'main' ? 1 : 2)] as const,
      ),
    ),
  ]);
  return { beads: Object.fromEntries(beads), attention, queues: Object.fromEntries(waiting) };
}

/** @param taskQueueType as the server's API numbers them: 1 are workflow tasks, 2 activities. */
async function backlogOf(
  { connection, namespace }: WatchedParts['town'],
  name: string,
  taskQueueType: 1 | 2,
): Promise<{ waiting: number; ageSeconds: number }> {
  const { stats } = await within(connection, answersWithin, () =>
    connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name, kind: 1 },
      taskQueueType,
      reportStats: true,
    }),
  );
  const age = stats?.approximateBacklogAge;
  return {
    waiting: Number(stats?.approximateBacklogCount ?? 0),
    ageSeconds: Number(age?.seconds ?? 0) + (age?.nanos ?? 0) / 1e9,
  };
}
