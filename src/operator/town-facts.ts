import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { within } from '../client/deadline.js';
import { FleetClient } from '../client/fleet.js';
import { countBeads, listBeads } from '../client/list.js';
import type { BeadSummary } from '../client/list.js';
import { pollersOf } from '../client/pollers.js';
import { readWorkerIdentity, taskQueues } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import type { BeadFact, ConvoyFact, RigFact, TownFacts, TownHosts } from '../domain/telling/town-facts.js';
import { hostIdOf } from '../client/home.js';
import { processAlive } from '../runner/processes/process.js';
import { answerOf, askedInTime, eachOf } from './asking.js';

/** Questions to workflows at once: each may load one into a worker's cache, and the others still want to be served. */
const askedAtOnce = 8;
/** One that does not answer within this is shown without its own account: the others are waited for. */
const answerWithin = 3_000;
/** Rigs and convoys that are asked, of each the newest. */
const mostOfFleet = 200;
/** They are asked beside the beads. */
const fleetAtOnce = 4;

/** What was found, and the list it was made from. */
export interface TownLook {
  facts: TownFacts;
  summaries: BeadSummary[];
}

/**
 * Asks the server who works, and every open bead, rig and convoy of the town how it is. It ends within the deadline,
 * however many there are: those that ask for a person are asked first, and what was left out is told.
 * @param deadline milliseconds, of each request and of the whole.
 * @param limit beads that are looked at, newest first.
 * @param attentive so many are looked at besides, however old, of those that ask for a person.
 */
export async function lookAtTown(
  town: TownConnection,
  { deadline, limit = 500, attentive = 0 }: { deadline: number; limit?: number; attentive?: number },
): Promise<TownLook> {
  const until = Date.now() + deadline;
  const beads = new BeadClient(town, { deadline });
  const fleet = new FleetClient(town, deadline);
  const { taskQueue } = town;
  const [newest, asking, rigIds, convoyIds, polled] = await Promise.all([
    listBeads(town, { limit, deadline, taskQueue }),
    attentive > 0 ? listBeads(town, { limit: attentive, deadline, taskQueue, attention: true }) : undefined,
    fleet.list('rig', { all: false, limit: mostOfFleet, taskQueue }),
    fleet.list('convoy', { all: false, limit: mostOfFleet, taskQueue }),
    hostsOf(town, deadline),
  ]);
  const known = new Set(newest.beads.map(({ bead }) => bead));
  const listed = [...newest.beads, ...(asking?.beads ?? []).filter(({ bead }) => !known.has(bead))];
  // Without a worker nobody can answer: it would only be waited for.
  const someone = polled.up.length > 0;
  const limits = { atOnce: askedAtOnce, until, patience: Math.min(deadline, answerWithin) };
  const inTime = <I, T>(
    items: readonly I[],
    how: { atOnce: number; patience: number },
    question: (item: I, patience: number) => Promise<T>,
  ) =>
    someone
      ? askedInTime(items, { ...how, until }, (item, patience) => answerOf(() => question(item, patience)))
      : Promise.resolve(new Map(items.map((item): [I, undefined] => [item, undefined])));
  const urgentFirst = listed.toSorted((a, b) => Number(isCalm(a)) - Number(isCalm(b)));
  // Few, and each stands for many beads: they do not wait until all beads have been asked, and a busy one has its time.
  const ofFleet = { atOnce: fleetAtOnce, patience: deadline };
  const [views, rigs, convoys] = await Promise.all([
    inTime(urgentFirst, limits, ({ bead }, patience) => beads.view(bead, patience)),
    inTime(rigIds, ofFleet, ({ id }, patience) => new FleetClient(town, patience).rig(id)),
    inTime(convoyIds, ofFleet, ({ id }, patience) => new FleetClient(town, patience).convoy(id)),
  ]);
  const facts = listed.map((summary): BeadFact => ({
    bead: summary.bead,
    status: summary.status,
    view: views.get(summary),
    unasked: views.has(summary) ? undefined : true,
  }));
  const attemptHosts = [
    ...new Set(facts.flatMap(({ view }) => (view?.current?.host === undefined ? [] : [view.current.host]))),
  ];
  // Whoever polls the town's queue is up.
  const doubtful = someone ? attemptHosts.filter((host) => !polled.up.includes(host)) : [];
  // The server answers this by itself, within milliseconds: no time is taken from one that is asked last.
  const answering = await askedInTime(doubtful, limits, (host) => hostAnswers(town, host, limits.patience));
  /** Beyond what a list had room for. */
  const beyond = async (full: boolean, shown: number, count: () => Promise<number>): Promise<number> =>
    full ? Math.max((await count()) - shown, 0) : 0;
  const [moreBeads, moreRigs, moreConvoys] = await Promise.all([
    beyond(newest.more, listed.length, () => countBeads(town, { deadline, taskQueue })),
    beyond(rigIds.length === mostOfFleet, rigIds.length, () => fleet.count('rig', taskQueue)),
    beyond(convoyIds.length === mostOfFleet, convoyIds.length, () => fleet.count('convoy', taskQueue)),
  ]);
  return {
    summaries: listed,
    facts: {
      now: Date.now(),
      taskQueue,
      beads: facts,
      more: newest.more,
      left: {
        beads: moreBeads + listed.length - views.size,
        rigs: moreRigs + (someone ? silentOf(rigIds, rigs) : 0),
        convoys: moreConvoys + (someone ? silentOf(convoyIds, convoys) : 0),
        hosts: doubtful.length - answering.size,
      },
      rigs: rigIds.map((item): RigFact => ({ rig: item.id, view: rigs.get(item) })),
      convoys: convoyIds.map((item): ConvoyFact => ({ convoy: item.id, view: convoys.get(item) })),
      hosts: { ...polled, silent: doubtful.filter((host) => answering.get(host) === false) },
    },
  };
}

/** @returns how many have given no answer: of a rig or a convoy, nobody else tells of its problems. */
const silentOf = <I, T>(items: readonly I[], answers: ReadonlyMap<I, T | undefined>): number =>
  items.filter((item) => answers.get(item) === undefined).length;

/** @returns whether nothing that a bead has published gives reason to ask it before others. */
const isCalm = ({ attention, agent }: BeadSummary): boolean =>
  attention === undefined && (agent === 'none' || agent === 'working' || agent === 'starting');

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
