import type { MergeInput, MergeOutcome } from '../../contract/index.js';
import { makeEnsureBranch } from './ensure-branch.js';
import type { EnsureBranchInput } from './input.js';
import { makeMerge } from './merge.js';
import type { RefineryDeps } from './merge.js';

/** The activities of the refinery's queue (`taskQueues.merge`), as workflows see them. */
export interface RefineryActivities {
  merge(input: MergeInput): Promise<MergeOutcome>;
  ensureBranch(input: EnsureBranchInput): Promise<{ branch: string; sha: string; created: boolean }>;
}

/** One set per worker: its locks keep merges into one target on this host apart. */
export const createRefineryActivities = (deps: RefineryDeps): RefineryActivities => ({ merge: makeMerge(deps), ensureBranch: makeEnsureBranch(deps) });
