/**
 * Worker Versioning as a workflow sees it: a run is pinned to the build that began it, and goes on in a new run on the
 * build that the town has now. Without versioning nothing here ever happens.
 * @module
 */
import { defineSignal, makeContinueAsNewFunc, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Workflow } from '@temporalio/workflow';
import { versionChanged } from '../contract/index.js';

const versionChangedSignal = defineSignal(versionChanged);

/**
 * The server alone would also move a run that began on the current build, when another one gets a share of the new
 * workflows.
 * @param told whether a worker has said that the build of this run is over.
 * @returns whether this run goes on with another build; part of the history, as the clock is.
 */
export const versionHasChanged = (told: boolean): boolean =>
  told && workflowInfo().targetWorkerDeploymentVersionChanged;

/**
 * A run that waits hears of another build only with its next workflow task: the signal brings one.
 * @param taken is told of each.
 */
export function listenForVersion(taken: () => void): void {
  setHandler(versionChangedSignal, taken, {
    description: 'The build of this run is no longer the current one. Sent by workers.',
  });
}

/**
 * Continues as new: a run of a versioned worker on the build that the town has now, any other as ever.
 * @param options what else is another's in the next run.
 */
export async function goOn<F extends Workflow>(
  args: Parameters<F>,
  options: { workflowTaskTimeout?: number } = {},
): Promise<never> {
  const versioned = (workflowInfo().currentDeploymentVersion?.deploymentName ?? '') !== '';
  await makeContinueAsNewFunc<F>({
    ...options,
    initialVersioningBehavior: versioned ? 'AUTO_UPGRADE' : undefined,
  })(...args);
  throw new Error('continueAsNew does not return');
}
