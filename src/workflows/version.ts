/**
 * Worker Versioning as a workflow sees it: a run is pinned to the build that began it, and goes on in a new run on the
 * build that the town has now. Without versioning nothing here ever happens.
 * @module
 */
import { defineSignal, makeContinueAsNewFunc, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Workflow } from '@temporalio/workflow';
import { versionChanged } from '../contract/index.js';

const versionChangedSignal = defineSignal(versionChanged);

/** @returns whether the town has another build for this run; part of the history, as the clock is. */
export const versionHasChanged = (): boolean => workflowInfo().targetWorkerDeploymentVersionChanged;

/**
 * A run that waits hears of another build only with its next workflow task: the signal brings one, and that is all it
 * does.
 * @param taken is told of each, since it counts as one.
 */
export function listenForVersion(taken: () => void): void {
  setHandler(versionChangedSignal, taken, {
    description: 'Another build of the workflow code may be the one to go on with. Sent by workers.',
  });
}

/** Continues as new: a run of a versioned worker on the build that the town has now, any other as ever. */
export async function goOn<F extends Workflow>(...args: Parameters<F>): Promise<never> {
  const versioned = (workflowInfo().currentDeploymentVersion?.deploymentName ?? '') !== '';
  await makeContinueAsNewFunc<F>(versioned ? { initialVersioningBehavior: 'AUTO_UPGRADE' } : {})(...args);
  throw new Error('continueAsNew does not return');
}
