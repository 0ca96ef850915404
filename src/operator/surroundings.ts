import type { TownConnection } from '../client/connect.js';
import { BeadNotFoundError, FleetNotFoundError, NoWorkerError } from '../client/errors.js';
import { FleetClient } from '../client/fleet.js';
import type { BeadView, RigView } from '../contract/index.js';
import { notStartedYet } from '../domain/telling/why-not.js';
import type { Surroundings } from '../domain/telling/why-not.js';
import { hostAnswers, hostsOf } from './town-facts.js';

/** Asks who works for the town, whether the host of the bead's attempt is there, and the bead's rig for its queues. */
export async function surroundingsOf(
  town: TownConnection,
  view: BeadView | undefined,
  deadline: number,
): Promise<Surroundings> {
  const host = view?.current?.host;
  const [polled, silent, rig] = await Promise.all([
    hostsOf(town, deadline),
    host === undefined ? [] : hostAnswers(town, host, deadline).then((answers) => (answers ? [] : [host])),
    view?.rig === undefined || view.current !== undefined ? undefined : rigOf(town, view.rig, deadline),
  ]);
  return {
    now: Date.now(),
    taskQueue: town.taskQueue,
    hosts: { ...polled, silent },
    rig,
  };
}

async function rigOf(town: TownConnection, rig: string, deadline: number): Promise<RigView | 'silent'> {
  try {
    return await new FleetClient(town, deadline).rig(rig);
  } catch (error) {
    if (error instanceof NoWorkerError || error instanceof FleetNotFoundError) return 'silent';
    throw error;
  }
}

/**
 * A convoy starts its beads when their time has come: until then only the convoy knows of them.
 * @returns what was asked, or in its place what the convoy says, as lines for a terminal.
 * @throws BeadNotFoundError when no convoy has such a bead either.
 */
export async function orPending<T>(
  asked: Promise<T>,
  town: TownConnection,
  bead: string,
  deadline: number,
): Promise<T | string[]> {
  try {
    return await asked;
  } catch (error) {
    const pending = error instanceof BeadNotFoundError ? await pendingInConvoy(town, bead, deadline) : undefined;
    if (pending === undefined) throw error;
    return pending;
  }
}

/**
 * A bead that its convoy has not started yet. @returns lines for a terminal; undefined when no open convoy has such a
 * bead.
 */
export async function pendingInConvoy(
  town: TownConnection,
  bead: string,
  deadline: number,
): Promise<string[] | undefined> {
  const fleet = new FleetClient(town, deadline);
  const convoys = (await fleet.list('convoy', { all: false, limit: 500, taskQueue: town.taskQueue })).filter(({ id }) =>
    bead.startsWith(`${id}-`),
  );
  for (const { id } of convoys) {
    const found = notStartedYet(await fleet.convoy(id), bead.slice(id.length + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}
