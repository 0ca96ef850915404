/** Proxies of the activities of convoys and rigs; every number has its reason. @module */
import {
  ActivityCancellationType,
  ActivityFailure,
  isCancellation,
  log,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { ActivityInterfaceFor, ActivityOptions } from '@temporalio/workflow';
import { clip, mergedBy, taskQueues } from '../contract/index.js';
import { checksOf } from '../domain/rig/settings.js';
import { beatsMissed } from './activities.js';
import type {
  FleetActivities,
  RefineryActivities,
  RigSettings,
  RunningMerge,
  WorkflowLook,
} from '../contract/index.js';

const minute = 60_000;

/** Questions to the server: it answers in milliseconds, or is away and is asked again. Nobody waits for a look. */
const { lookAtWorkflows } = proxyActivities<FleetActivities>({
  // A look may be at some hundred workflows, and asks some of them.
  startToCloseTimeout: 2 * minute,
  retry: { initialInterval: 1_000, maximumInterval: minute },
});

export const { readRig } = proxyActivities<FleetActivities>({
  // It asks one workflow, for 20 s at the longest, and does not beat.
  startToCloseTimeout: beatsMissed,
  retry: { initialInterval: 1_000, maximumInterval: minute },
});

/** @returns how these workflows stand, or nothing when the question itself was refused: then nobody is judged by it. */
export async function describeWorkflows(workflowIds: string[], reports = false): Promise<WorkflowLook[]> {
  try {
    return await lookAtWorkflows.executeWithOptions(
      { summary: `look at ${workflowIds.length} workflow${workflowIds.length === 1 ? '' : 's'}` },
      [{ workflowIds, reports: reports || undefined }],
    );
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    log.warn('the look at other workflows failed', { error });
    return [];
  }
}

/** Only the server is asked, and the convoy runs on it: so this is tried until it answers. */
export const { startBead } = proxyActivities<FleetActivities>({
  // One request, which does not beat: asked again it changes nothing.
  startToCloseTimeout: beatsMissed,
  retry: { initialInterval: 1_000, maximumInterval: minute },
});

/** The remote may be away for hours: the work is safe there, so it is asked until it answers. */
export const { lookAtBranch } = proxyActivities<FleetActivities>({
  // A first fetch of a large repository.
  startToCloseTimeout: 60 * minute,
  heartbeatTimeout: beatsMissed,
  retry: { initialInterval: 2_000, maximumInterval: minute },
});

/** Likewise, on the refinery's queue: it pushes. */
export const refinery = (): ActivityInterfaceFor<RefineryActivities> =>
  proxyActivities<RefineryActivities>({
    taskQueue: taskQueues.merge(workflowInfo().taskQueue),
    startToCloseTimeout: 60 * minute,
    heartbeatTimeout: beatsMissed,
    retry: { initialInterval: 2_000, maximumInterval: minute },
  });

/** The refinery's own tries when the target moves, each of which runs all checks. */
const triesWithin = 5;

/** Options of one merge. */
export function mergeOptions(merge: RunningMerge, settings: RigSettings): ActivityOptions {
  const checks = checksOf(settings).reduce((sum, { timeout }) => sum + timeout, 0);
  return {
    taskQueue: taskQueues.merge(workflowInfo().taskQueue),
    // What all tries may take at the longest: the checks, and an hour of git for a large repository on a slow line.
    startToCloseTimeout: triesWithin * (checks + 60 * minute),
    // It beats every 5 s; a killed worker is noticed in a minute, and the merge begins again elsewhere.
    heartbeatTimeout: minute,
    // What may pass is tried for about half an hour, then others get their turn. A pull request is looked at as long as
    // it is open.
    retry: {
      initialInterval: 5_000,
      backoffCoefficient: 2,
      maximumInterval: 2 * minute,
      maximumAttempts: mergedBy(merge.strategy) === 'forge' ? undefined : 20,
    },
    // Whether the push came first decides what a cancel means.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    priority: { priorityKey: merge.priority },
    // The server takes 400 bytes.
    summary: clip(
      merge.withdrawn === true
        ? `was ${merge.item} merged before it was withdrawn?`
        : `merge ${merge.item}${merge.target === '' ? '' : ` into ${merge.target}`}`,
      120,
    ),
    allowEagerDispatch: false,
  };
}
