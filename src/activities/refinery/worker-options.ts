import type { WorkerOptions } from '@temporalio/worker';
import { join } from 'node:path';
import { taskQueues } from '../../contract/index.js';
import { removeLeftScratches } from '../../git/merge/index.js';
import { placeTuner } from '../place-tuner.js';
import { createRefineryActivities } from './activities.js';
import { MergePlaces } from './merge-places.js';
import { refineryFolder } from './merge.js';
import type { RefineryDeps } from './merge.js';
import { removeOldLogs } from './old-logs.js';
import { endChecks } from './run-check.js';

export type RefineryWorkerOptions = Pick<
  WorkerOptions,
  | 'taskQueue'
  | 'activities'
  | 'tuner'
  | 'maxHeartbeatThrottleInterval'
  | 'defaultHeartbeatThrottleInterval'
  | 'shutdownGraceTime'
>;

/**
 * How a worker serves the refinery's queue: spread them into `Worker.create` beside connection, namespace and identity.
 * Call {@link prepareRefinery} first.
 */
export function refineryWorkerOptions({
  town,
  maxMerges = 2,
  ...deps
}: RefineryDeps & { town?: string; maxMerges?: number }): RefineryWorkerOptions {
  // Two: the checks of one merge may already take all cores, and a second target should not wait for hours behind a
  // long one.
  const places = new MergePlaces(maxMerges);
  return {
    taskQueue: taskQueues.merge(town),
    activities: createRefineryActivities({ ...deps, places }),
    tuner: placeTuner(places),
    // A cancel comes with the answer to a heartbeat: at most so long after it was asked for.
    maxHeartbeatThrottleInterval: '3 seconds',
    defaultHeartbeatThrottleInterval: '3 seconds',
    // Nothing is lost by an interruption: the merge begins again elsewhere, and a push that was begun is finished all
    // the same.
    shutdownGraceTime: 0,
  };
}

/**
 * Removes what a killed worker has left of merges on this host: processes of checks (on Linux), scratch trees; and logs
 * of checks that are too old or too many. To be called once at the start, under the lock of the state directory.
 * @returns the paths of the scratch trees that were removed.
 */
export async function prepareRefinery({ home }: Pick<RefineryDeps, 'home'>): Promise<string[]> {
  const folder = refineryFolder(home);
  const removed = await removeLeftScratches(folder, join(home, 'mirrors'), endChecks);
  await removeOldLogs(folder);
  return removed;
}
