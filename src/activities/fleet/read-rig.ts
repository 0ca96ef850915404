import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { fleetFailureTypes, rigMessages, rigWorkflowId } from '../../contract/index.js';
import type { FleetActivities, RigView } from '../../contract/index.js';
import type { FleetDeps } from './deps.js';
import { readInput } from './input.js';

const answersWithin = 20_000;

/**
 * `readRig`: the settings of a rig as they are now. Fails by `NoSuchRig` when there is none, or it is being removed.
 */
export function makeReadRig({ client }: Pick<FleetDeps, 'client'>): FleetActivities['readRig'] {
  return async (given) => {
    const { rig } = readInput('readRig', given);
    const handle = client.workflow.getHandle(rigWorkflowId(rig));
    const none = (): ApplicationFailure =>
      ApplicationFailure.nonRetryable(`there is no rig ${rig}: add it first`, fleetFailureTypes.noSuchRig);
    try {
      // One that has ended would still answer a query.
      if ((await handle.describe()).status.name !== 'RUNNING') throw none();
      const { settings, version, removed } = await client.withDeadline(Date.now() + answersWithin, () =>
        handle.query<RigView>(rigMessages.state),
      );
      if (removed) throw none();
      return {
        repo: settings.repo,
        base: settings.base,
        strategy: settings.strategy,
        version,
      };
    } catch (error) {
      throw error instanceof WorkflowNotFoundError ? none() : error;
    }
  };
}
