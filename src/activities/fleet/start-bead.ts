import { ApplicationFailure } from '@temporalio/activity';
import { BeadClient, BeadExistsError } from '../../client/index.js';
import { fleetFailureTypes, isFinal } from '../../contract/index.js';
import type { BeadInput, FleetActivities } from '../../contract/index.js';
import { reportOf } from '../../domain/index.js';
import type { FleetDeps } from './deps.js';
import { readInput } from './input.js';

/**
 * `startBead`: starts a bead of a convoy as a workflow of its own. Idempotent by the bead's id: one of this convoy that
 * is there already is taken as it stands. One that was cancelled, terminated or that failed is started anew, and so is
 * one that has closed without a merge: its convoy asks for it because somebody wants it merged, and its old end would
 * only be told once more. Fails by `ForeignBead` when the id belongs to somebody else.
 */
export function makeStartBead({
  client,
  taskQueue,
  privateNames,
}: Pick<FleetDeps, 'client' | 'taskQueue' | 'privateNames'>): FleetActivities['startBead'] {
  const beads = new BeadClient({ client, privateNames });
  return async (given) => {
    const { convoy, bead, title, body, agent, priority, rig, repo, base, target, baseSha } = readInput(
      'startBead',
      given,
    );
    const input: BeadInput = {
      bead,
      title,
      repo,
      agent,
      priority,
      rig,
      convoy,
      body,
      base,
      target,
      baseSha,
    };
    try {
      await beads.start(input, taskQueue);
      return {};
    } catch (error) {
      if (!(error instanceof BeadExistsError)) throw error;
    }
    const view = await beads.view(bead);
    if (view.convoy !== convoy) {
      const whose = view.convoy === undefined ? 'belongs to no convoy' : `belongs to convoy ${view.convoy}`;
      throw ApplicationFailure.nonRetryable(
        `there is a bead ${bead} already, and it ${whose}: remove this one from the convoy and add it under another id`,
        fleetFailureTypes.foreignBead,
      );
    }
    const report = reportOf(view);
    if (report !== undefined && isFinal(report.status) && !report.merged) {
      await beads.start(input, taskQueue, { again: true });
      return {};
    }
    return { report };
  };
}
