/**
 * Proxies of the activities; every number has its reason. Runs in the sandbox: types only from the other side. @module
 */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { ActivityInterfaceFor, ActivityOptions } from '@temporalio/workflow';
import { taskQueues } from '../contract/index.js';
import type { Activities, Clocks } from '../contract/index.js';

const minute = 60_000;
/**
 * They beat every ten seconds (`withBeats`). A task that the server has handed to a worker which never hears of it, as
 * when a connection breaks, comes again after this: their whole time-out would be waited for otherwise.
 */
export const beatsMissed = 30_000;

/**
 * Options of `startAgent`. One try only: the workflow decides about every end.
 * @param place the agents queue for a start; for an adoption the host's own queue, where it may wait `adoptWithin`.
 */
export function startAgentOptions(
  clocks: Clocks,
  priority: number,
  fairnessKey: string,
  summary: string,
  place: { queue: string; adopt: boolean },
): ActivityOptions {
  return {
    taskQueue: place.queue,
    // A ceiling far beyond every attempt: maxRuntime is a deadline of the workflow, since pauses do not count and
    // adoption must not restart it.
    startToCloseTimeout: '60 days',
    heartbeatTimeout: clocks.heartbeatTimeout,
    scheduleToStartTimeout: place.adopt ? clocks.adoptWithin : undefined,
    retry: { maximumAttempts: 1 },
    // The bead may not go on while its agent still writes. (The SDK's effective default is TRY_CANCEL.)
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    priority: { priorityKey: priority, fairnessKey },
    summary,
    // Eager dispatch would bypass the queue and with it the host's places.
    allowEagerDispatch: false,
  };
}

export const { startAgent } = proxyActivities<Activities>({ startToCloseTimeout: '60 days' });

/** The remote may be away for hours: the work is safe there or in the mirror, so this is tried until it answers. */
export const { verifyWork } = proxyActivities<Activities>({
  // A fetch of a large branch over a slow line.
  startToCloseTimeout: 15 * minute,
  heartbeatTimeout: beatsMissed,
  retry: { initialInterval: 2_000, backoffCoefficient: 2, maximumInterval: minute },
  summary: 'look for the work on the remote',
});

/** Salvage is a courtesy: the next attempt does not wait for ever for a remote that is away. */
export const { verifyWork: lookForFinishedWork } = proxyActivities<Activities>({
  startToCloseTimeout: 5 * minute,
  heartbeatTimeout: beatsMissed,
  retry: { maximumAttempts: 3, initialInterval: 1_000 },
  summary: 'did the lost attempt finish its work?',
});

/**
 * Short activities that only the host of an attempt can do; a host that does not answer within `within` is not there.
 */
export function hostActivities(
  hostId: string,
  town: string,
  clocks: Clocks,
  within: number,
): ActivityInterfaceFor<Activities> {
  return proxyActivities<Activities>({
    taskQueue: taskQueues.host(hostId, town),
    scheduleToStartTimeout: within,
    // A stop takes stopGrace, then the save and the push of the work in progress.
    startToCloseTimeout: clocks.stopGrace + 10 * minute,
    heartbeatTimeout: 2 * minute,
    retry: { maximumAttempts: 2, initialInterval: 1_000 },
  });
}
