import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { within } from '../client/deadline.js';
import { FleetClient } from '../client/fleet.js';
import { listBeads } from '../client/list.js';
import type { BeadSummary } from '../client/list.js';
import { pollersOf } from '../client/pollers.js';
import { readWorkerIdentity, taskQueues } from '../contract/index.js';
import type { BeadView, ConvoyView, RigView } from '../contract/index.js';
import type { BeadFact, ConvoyFact, RigFact, TownFacts, TownHosts } from '../domain/telling/town-facts.js';
import { hostIdOf } from '../client/home.js';
import { processAlive } from '../runner/processes/process.js';
import { answerOf, eachOf } from './asking.js';

/** Questions to workflows at once: each may load one into a worker's cache, and the others still want to be served. */
const askedAtOnce = 8;
/** One that does not answer within this is shown without its own account: the others are waited for. */
const answerWithin = 3_000;

/** What was found, and the list it was made from. */
export interface TownLook {
  facts: TownFacts;
  summaries: BeadSummary[];
}

/**
 * Asks the server who works, and every open bead, rig and convoy of the town how it is.
 * @param limit beads that are looked at, newest first.
 * @param attentive so many are looked at besides, however old, of those that ask for a person.
 */
export async function lookAtTown(
  town: TownConnection,
  { deadline, limit = 500, attentive = 0 }: { deadline: number; limit?: number; attentive?: number },
): Promise<TownLook> {
  const beads = new BeadClient(town, { deadline });
  const fleet = new FleetClient(town, deadline);
  const [newest, asking, rigIds, convoyIds, polled] = await Promise.all([
    listBeads(town, { limit, deadline, taskQueue: town.taskQueue }),
    attentive > 0
      ? listBeads(town, { limit: attentive, deadline, taskQueue: town.taskQueue, attention: true })
      : undefined,
    fleet.list('rig', { all: false, limit: 200, taskQueue: town.taskQueue }),
    fleet.list('convoy', { all: false, limit: 200, taskQueue: town.taskQueue }),
    hostsOf(town, deadline),
  ]);
  const known = new Set(newest.beads.map(({ bead }) => bead));
  const listed = {
    beads: [...newest.beads, ...(asking?.beads ?? []).filter(({ bead }) => !known.has(bead))],
    more: newest.more,
  };
  // Without a worker nobody can answer: it would only be waited for.
  const someone = polled.up.length > 0;
  const patience = Math.min(deadline, answerWithin);
  const ask = <T>(question: () => Promise<T>): Promise<T | undefined> =>
    someone ? answerOf(question) : Promise.resolve(undefined);
  const views = await eachOf(listed.beads, askedAtOnce, ({ bead }) => ask<BeadView>(() => beads.view(bead, patience)));
  const rigs = await eachOf(rigIds, askedAtOnce, ({ id }) => ask<RigView>(() => fleet.rig(id)));
  const convoys = await eachOf(convoyIds, askedAtOnce, ({ id }) => ask<ConvoyView>(() => fleet.convoy(id)));
  const facts: BeadFact[] = listed.beads.map(({ bead, status }, index) => ({
    bead,
    status,
    view: views[index],
  }));
  const attemptHosts = [
    ...new Set(facts.flatMap(({ view }) => (view?.current?.host === undefined ? [] : [view.current.host]))),
  ];
  const silent = someone
    ? (
        await eachOf(attemptHosts, askedAtOnce, async (host) =>
          (await hostAnswers(town, host, deadline)) ? [] : [host],
        )
      ).flat()
    : [];
  return {
    summaries: listed.beads,
    facts: {
      now: Date.now(),
      taskQueue: town.taskQueue,
      beads: facts,
      more: listed.more,
      rigs: rigIds.map(({ id }, index): RigFact => ({
        rig: id,
        view: rigs[index],
      })),
      convoys: convoyIds.map(({ id }, index): ConvoyFact => ({
        convoy: id,
        view: convoys[index],
      })),
      hosts: { ...polled, silent },
    },
  };
}

/**
 * Asks beads for a sum, where one that is left out makes the figure wrong: each is given the whole deadline.
 * @returns what each bead says of itself, in the same order; undefined for one that does not answer.
 */
export function viewsOf(
  town: TownConnection,
  beads: readonly { bead: string }[],
  deadline: number,
): Promise<(BeadView | undefined)[]> {
  const client = new BeadClient(town, { deadline });
  return eachOf(beads, askedAtOnce, ({ bead }) => answerOf(() => client.view(bead)));
}

/** @returns whether the worker of a host polls the queue that is its own. */
export const hostAnswers = async (town: TownConnection, host: string, deadline: number): Promise<boolean> =>
  (await pollersAt(town, taskQueues.host(host, town.taskQueue), 'activity', deadline)).length > 0;

/** @returns who polls the queues of the town now. */
export async function hostsOf(town: TownConnection, deadline: number): Promise<Omit<TownHosts, 'silent'>> {
  const { taskQueue } = town;
  const [up, free, merging, queued] = await Promise.all([
    pollersAt(town, taskQueues.main(taskQueue), 'workflow', deadline),
    pollersAt(town, taskQueues.agents(taskQueue), 'activity', deadline),
    pollersAt(town, taskQueues.merge(taskQueue), 'activity', deadline),
    queuedIn(town, taskQueues.agents(taskQueue), deadline),
  ]);
  return { up, free, merging, queued };
}

async function pollersAt(
  town: TownConnection,
  queue: string,
  kind: 'workflow' | 'activity',
  deadline: number,
): Promise<string[]> {
  const here = await hostIdOf(town.home);
  const alive = (await pollersOf(town, queue, kind, deadline)).filter(({ identity }) => !isDeadHere(identity, here));
  return [...new Set(alive.map(({ identity }) => readWorkerIdentity(identity)?.hostId ?? identity))].sort();
}

/** Servers before 1.25 count nothing. */
async function queuedIn(town: TownConnection, queue: string, deadline: number): Promise<number | undefined> {
  const { stats } = await within(town.connection, deadline, () =>
    town.connection.workflowService.describeTaskQueue({
      namespace: town.namespace,
      taskQueue: { name: queue, kind: 1 },
      taskQueueType: 2,
      reportStats: true,
    }),
  );
  const count = stats?.approximateBacklogCount;
  return count === undefined || count === null ? undefined : Number(count);
}

/** The server goes on naming a worker for a while after its end; of one on this host the process table knows better. */
export function isDeadHere(identity: string, hostId: string | undefined): boolean {
  const worker = readWorkerIdentity(identity);
  return worker !== undefined && worker.hostId === hostId && !processAlive(worker.pid);
}
