import type { RefineryActivities } from '../../contract/index.js';
import { makeEnsureBranch } from './ensure-branch.js';
import { mergeActivity } from './merge.js';
import type { RefineryDeps } from './merge.js';

/**
 * The activities of the refinery's queue (`taskQueues.merge`). One set per worker: its locks keep merges into one
 * target on this host apart.
 */
export const createRefineryActivities = (deps: RefineryDeps): RefineryActivities => ({
  merge: mergeActivity(deps),
  ensureBranch: makeEnsureBranch(deps),
});
