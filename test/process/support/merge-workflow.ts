import { ActivityCancellationType, proxyActivities, workflowInfo } from '@temporalio/workflow';
import { taskQueues } from '../../../src/contract/index.js';
import type { MergeInput, MergeOutcome, RefineryActivities } from '../../../src/contract/index.js';

/** One merge, asked for as a rig asks for it, with clocks for tests. */
export async function mergeOne(input: MergeInput): Promise<MergeOutcome> {
  const { merge } = proxyActivities<RefineryActivities>({
    taskQueue: taskQueues.merge(workflowInfo().taskQueue),
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: '6 s',
    retry: { initialInterval: '200 ms', backoffCoefficient: 1 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  return merge(input);
}
