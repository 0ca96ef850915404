/**
 * What convoys and rigs ask of the world besides merges: beads started, workflows and branches looked at. Served on the
 * town's main queue by any worker.
 * @module
 */
import type { FleetActivities } from '../../contract/index.js';
import type { FleetDeps } from './deps.js';
import { makeLookAtBranch } from './look-at-branch.js';
import { makeLookAtWorkflows } from './look-at-workflows.js';
import { makeReadRig } from './read-rig.js';
import { makeStartBead } from './start-bead.js';

export type { FleetDeps } from './deps.js';

/** @returns the activities of convoys and rigs, exactly as the workflows see them. */
export const createFleetActivities = (deps: FleetDeps): FleetActivities => ({
  startBead: makeStartBead(deps),
  lookAtWorkflows: makeLookAtWorkflows(deps),
  readRig: makeReadRig(deps),
  lookAtBranch: makeLookAtBranch(deps),
});
