/**
 * Everything that Heartbead does with git: mirrors, worktrees, saved work, evidence. No Temporal here.
 * @module
 */
export { createWorktree } from './create-worktree.js';
export type { CreateWorktreeOptions } from './create-worktree.js';
export { discardWorktree } from './discard-worktree.js';
export type { DiscardWorktreeOptions } from './discard-worktree.js';
export { ensureCommit } from './ensure-commit.js';
export { gitEnv } from './git-env.js';
export { heavyFiles } from './heavy-files.js';
export type { HeavyFiles } from './heavy-files.js';
export { GitError } from './git-error.js';
export type { GitErrorKind } from './git-error.js';
export { gitVersionProblem, oldestGit } from './git-version.js';
export type { GitProgress } from './git-progress.js';
export { exists } from './files.js';
export { onMirrorNews, readMirrorNews } from './mirror-news.js';
export type { MirrorNews } from './mirror-news.js';
export { mirrorPath } from './mirror-path.js';
export { pushBranch } from './push-branch.js';
export { pushRefusal } from './git-failure.js';
export type { PushRefusal } from './git-failure.js';
export { isAncestor, mergeBase } from './commits.js';
export { newerLocalSave } from './local-saves.js';
export { lfsProgram } from './lfs/program.js';
export { fillSubmodules } from './submodules/fill.js';
export { checkRefWritable } from './ref-check.js';
export type { PushBranchOptions } from './push-branch.js';
export { removeWorktree } from './remove-worktree.js';
export type { Removal, RemoveWorktreeOptions } from './remove-worktree.js';
export { resolveBase } from './resolve-base.js';
export { saveRulesOf } from './save-rules.js';
export { saveWip } from './save-wip.js';
export { Voucher } from './vouch.js';
export type { SavedWip, SaveWipOptions } from './save-wip.js';
export { updateMirror } from './update-mirror.js';
export type { UpdateMirrorOptions } from './update-mirror.js';
export { verifyRemote } from './verify-remote.js';
export type { VerifyRemoteOptions } from './verify-remote.js';
export { commitsAhead, descendsFrom, worktreeStatus } from './worktree-status.js';
export type { StatusEntry, WorktreeStatus } from './worktree-status.js';
export { conflictMarkers, lastMoves } from './agent-history.js';
export { worktreeDiff } from './worktree-diff.js';
export { worktreeFiles } from './worktree-files.js';
export { tidyBead } from './tidy/tidy-bead.js';
export type { BeadTidied } from './tidy/tidy-bead.js';
export { surveyRepository } from './tidy/survey-repository.js';
export type { RepositorySurvey, SurveyedRef, SurveyOptions } from './tidy/survey-repository.js';
