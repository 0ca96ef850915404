/**
 * The refinery's git: one merge per item, whatever happens in between. No Temporal here.
 * @module
 */
export { ensureBranch } from './ensure-branch.js';
export type { EnsureBranchOptions } from './ensure-branch.js';
export { githubCli } from './github-cli.js';
export { landBranchOnly } from './land-branch-only.js';
export { landByPullRequest } from './land-by-pull-request.js';
export { targetBranch } from './survey.js';
export { maxTries, mergeItem } from './merge-item.js';
export { branchShaTrailer, itemTrailer, mergedRef } from './merge-record.js';
export { PullRequestError, PullRequestPending, waitAfter } from './pull-requests.js';
export type {
  OpenPullRequest,
  PullRequest,
  PullRequestErrorKind,
  PullRequests,
  PullRequestState,
} from './pull-requests.js';
export { fillTree, removeLeftScratches } from './scratch-tree.js';
export { tellWithdrawn } from './tell-withdrawn.js';
export type { FailedCheck, MergeContext, MergeItem, MergeStep, Signing } from './types.js';
