import type { TownConnection } from './connect.js';
import { defaultDeadline, within } from './deadline.js';

/** A worker as the server sees it. */
export interface Poller {
  identity: string;
  /** When it last asked for work, by the server's clock. */
  lastSeenAt: number;
  /** The build of the workflow code, when it takes part in the versions of its town. */
  build?: string;
}

/** Values of the server's API; the SDK exports types only. */
const queueTypes = { workflow: 1, activity: 2 } as const;
const versioned = 2;
/** A poll lasts a minute; the server goes on naming a worker for five after it has gone. */
const freshFor = 75_000;

/**
 * @returns the workers that poll a task queue now. One that was killed within the last minute may still be among them.
 */
export async function pollersOf(
  town: Pick<TownConnection, 'connection' | 'namespace'>,
  queue: string,
  kind: keyof typeof queueTypes,
  deadline = defaultDeadline,
): Promise<Poller[]> {
  const { pollers } = await within(town.connection, deadline, () =>
    town.connection.workflowService.describeTaskQueue({
      namespace: town.namespace,
      taskQueue: { name: queue, kind: 1 },
      taskQueueType: queueTypes[kind],
    }),
  );
  const found = (pollers ?? []).map(({ identity, lastAccessTime, deploymentOptions }) => ({
    identity: identity ?? 'unknown',
    lastSeenAt: Number(lastAccessTime?.seconds ?? 0) * 1_000 + Math.floor((lastAccessTime?.nanos ?? 0) / 1e6),
    build:
      deploymentOptions?.workerVersioningMode === versioned && deploymentOptions.buildId
        ? deploymentOptions.buildId
        : undefined,
  }));
  return found.filter(({ lastSeenAt }) => Date.now() - lastSeenAt < freshFor);
}
