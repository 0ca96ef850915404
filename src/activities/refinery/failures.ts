import { ApplicationFailure } from '@temporalio/activity';
import { clip, failureTypes } from '../../contract/index.js';
import type { MergeOutcome } from '../../contract/index.js';
import { GitError } from '../../git/index.js';
import { CopyError } from '../workspace-files.js';
import { PullRequestError, PullRequestPending } from '../../git/merge/index.js';

/** Types of failures by which the server tries a merge again by itself, so that the item keeps its place. */
export const refineryFailures = {
  /** The remote or the disk is out of order for now. */
  unreachable: failureTypes.setupUnreachable,
  /** A pull request is open; it is looked at again in a while. */
  pullRequestOpen: 'PullRequestOpen',
} as const;

const again = (type: string, error: Error, nextRetryDelay?: number): ApplicationFailure =>
  ApplicationFailure.create({
    message: clip(error.message),
    type,
    nonRetryable: false,
    cause: error,
    nextRetryDelay,
  });

/**
 * What an error means for the item. What passes by itself is thrown, for the server to try again; what needs a person
 * is the outcome `error`, so that the next item gets its turn. Never a verdict on the work.
 * @throws ApplicationFailure, or the error itself when it is of none of the kinds known here.
 */
export function outcomeOf(error: unknown): MergeOutcome {
  if (error instanceof PullRequestPending) throw again(refineryFailures.pullRequestOpen, error, error.wait);
  if (error instanceof PullRequestError) {
    if (error.kind === 'limited')
      throw again(refineryFailures.unreachable, error, Math.max((error.until ?? 0) - Date.now(), 1_000));
    if (error.kind === 'unreachable') throw again(refineryFailures.unreachable, error);
    return { outcome: 'error', reason: clip(error.message) };
  }
  if (error instanceof CopyError) return { outcome: 'error', reason: clip(error.message) };
  if (!(error instanceof GitError)) throw error;
  if (passes(error)) throw again(refineryFailures.unreachable, error);
  return { outcome: 'error', reason: clip(error.message) };
}

/**
 * The work was verified on this very remote: an address at which nothing is found now is an outage (a server that is
 * being moved answers so), not a wrong address. A damaged mirror is cloned again by the next try.
 */
export function passes(error: GitError): boolean {
  switch (error.kind) {
    case 'unreachable':
    case 'not_found':
    case 'timeout':
    case 'no_space':
      return true;
    case 'other':
      return error.damaged;
    case 'auth':
    case 'no_such_ref':
    case 'rejected':
    case 'bad_input':
      return false;
  }
}
