import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { within } from '../client/deadline.js';
import { BeadNotFoundError, NoWorkerError } from '../client/errors.js';
import { FleetClient } from '../client/fleet.js';
import { queryText } from '../client/list.js';
import { markingSealed } from '../codec/index.js';
import { beadOfWorkflowId, searchAttributes, workflowTypes } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import { problemsOf } from '../domain/telling/problems.js';
import type { TownFacts } from '../domain/telling/town-facts.js';
import { notificationOf } from './event.js';
import type { Notification } from './event.js';
import type { EventName } from './settings.js';

export type NotifyTown = Pick<TownConnection, 'client' | 'namespace' | 'taskQueue'>;

const deadline = 10_000;
/** One pass looks at so many at most; the rest comes with the next one. */
const perPass = 200;
type Found = ReturnType<TownConnection['client']['workflow']['list']> extends AsyncIterable<infer T> ? T : never;

/**
 * Looks for what is to be told: what asks for attention now, and what has ended since.
 * It only reads: workflows know nothing of notifications, and their histories have nothing of them.
 * @param since milliseconds; what ended before is not told.
 */
export async function findEvents(town: NotifyTown, since: number): Promise<Notification[]> {
  const names = Object.values(workflowTypes)
    .map((type) => queryText(type))
    .join(', ');
  const mine = `WorkflowType IN (${names}) AND TaskQueue = ${queryText(town.taskQueue)}`;
  const [asking, ended] = await Promise.all([
    list(town, `${mine} AND ExecutionStatus = 'Running' AND ${searchAttributes.attention} IS NOT NULL`),
    list(
      town,
      `${mine} AND ExecutionStatus IN ('Completed', 'Canceled', 'Failed') AND CloseTime > ` +
        `'${new Date(since).toISOString()}'`,
    ),
  ]);
  const endings = await Promise.all(ended.map((found) => endOf(town, found)));
  return [...(await problemsAmong(town, asking)), ...endings.filter((event) => event !== undefined)];
}

async function list(town: NotifyTown, query: string): Promise<Found[]> {
  const found: Found[] = [];
  const read = async (): Promise<void> => {
    for await (const execution of town.client.workflow.list({ query, pageSize: perPass })) {
      found.push(execution);
      if (found.length >= perPass) break;
    }
  };
  await markingSealed(() => within(town.client, deadline, read));
  return found;
}

async function problemsAmong(town: NotifyTown, asking: Found[]): Promise<Notification[]> {
  const now = Date.now();
  const beads = new BeadClient(town, { deadline });
  const fleet = new FleetClient(town, deadline);
  const facts: TownFacts = {
    now,
    taskQueue: town.taskQueue,
    beads: [],
    more: false,
    convoys: [],
    rigs: [],
    hosts: { up: ['this host'], free: ['this host'], merging: ['this host'], silent: [] },
  };
  await Promise.all(
    asking.map(async ({ workflowId }) => {
      const [type = '', ...rest] = workflowId.split('-');
      const id = rest.join('-');
      if (type === workflowTypes.bead) {
        const view = await answerOf(() => beads.view(id));
        if (view !== undefined) facts.beads.push({ bead: id, status: view.status, view });
      } else if (type === workflowTypes.convoy) {
        const view = await answerOf(() => fleet.convoy(id));
        if (view !== undefined) facts.convoys.push({ convoy: id, view });
      } else {
        const view = await answerOf(() => fleet.rig(id));
        if (view !== undefined) facts.rigs.push({ rig: id, view });
      }
    }),
  );
  // What blocks many beads of a rig is the rig's to tell, whose own word may be a moment behind in the list.
  const rigs = new Set(facts.beads.flatMap(({ view }) => view?.rig ?? []));
  await Promise.all(
    [...rigs]
      .filter((rig) => !facts.rigs.some((known) => known.rig === rig))
      .map(async (rig) => {
        const view = await answerOf(() => fleet.rig(rig));
        if (view !== undefined) facts.rigs.push({ rig, view });
      }),
  );
  const { namespace, taskQueue } = town;
  return problemsOf(facts).flatMap((problem) => {
    const told = notificationOf(problem, { namespace, taskQueue }, now);
    if (told === undefined) return [];
    const view = facts.beads.find(({ bead }) => told.kind === 'bead' && bead === told.about)?.view;
    return [view === undefined ? told : { ...told, ...ofBead(view) }];
  });
}

const ofBead = ({ title, rig, convoy, branch, sha }: BeadView): Partial<Notification> => ({
  title,
  rig,
  convoy,
  branch,
  sha,
});

/** How a bead or convoy ended; nothing of a rig, which somebody has removed. */
async function endOf(town: NotifyTown, found: Found): Promise<Notification | undefined> {
  const { workflowId, runId, closeTime } = found;
  const status: unknown = found.searchAttributes[searchAttributes.beadStatus]?.[0];
  const event = eventOf(found.type, found.status.name, status);
  if (event === undefined) return undefined;
  const bead = beadOfWorkflowId(workflowId);
  const view = bead === undefined ? undefined : await answerOf(() => new BeadClient(town, { deadline }).view(bead));
  const about = bead ?? workflowId.slice(workflowTypes.convoy.length + 1);
  const { title } = (found.memo ?? {}) as { title?: unknown };
  const kind = bead === undefined ? ('convoy' as const) : ('bead' as const);
  const name = typeof title === 'string' ? title : about;
  const told: Notification = {
    id: `${event}:${workflowId}:${runId}`,
    event,
    kind,
    about,
    title: name,
    text: `${kind} ${about} ${event === 'landed' ? 'has landed' : `is ${event}`}: ${view?.reason ?? name}`,
    at: closeTime?.getTime() ?? Date.now(),
    namespace: town.namespace,
    taskQueue: town.taskQueue,
  };
  return view === undefined ? told : { ...told, ...ofBead(view) };
}

/**
 * @returns the event that an ended execution is, by its type, by how Temporal says it ended, and by the status it had
 * published last.
 */
export function eventOf(type: string, execution: string, status: unknown): EventName | undefined {
  if (type !== workflowTypes.bead && type !== workflowTypes.convoy) return undefined;
  if (execution === 'CANCELLED') return 'cancelled';
  if (execution === 'FAILED') return 'failed';
  if (status === 'landed') return 'landed';
  return status === 'closed' || status === 'failed' || status === 'cancelled' ? status : undefined;
}

async function answerOf<T>(question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question();
  } catch (error) {
    if (
      error instanceof NoWorkerError ||
      error instanceof BeadNotFoundError ||
      (error instanceof Error && error.name === 'FleetNotFoundError')
    )
      return undefined;
    throw error;
  }
}
