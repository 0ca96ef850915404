import { ApplicationFailure } from '@temporalio/activity';
import { clip, failureTypes } from '../contract/index.js';
import type { FailureType } from '../contract/index.js';
import { GitError } from '../git/index.js';

/** @returns a failure that the workflow understands by its type. Never retried by the server: the bead decides. */
export const failure = (type: FailureType, message: string, ...details: unknown[]): ApplicationFailure =>
  ApplicationFailure.create({ message: clip(message), type, nonRetryable: true, details });

/** @returns what went wrong in a preparation, as the failure that leads the bead to the right next step. */
export function setupFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof GitError)
    return failure(error.mayPass ? failureTypes.setupUnreachable : failureTypes.setupFailed, error.message);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return failure(failureTypes.setupUnreachable, `the host's disk is full: ${message}`);
  return failure(failureTypes.setupUnreachable, `the host could not prepare the attempt: ${message}`);
}

/** @returns the same for activities that the server may try again: it does so unless that cannot help. */
export function asGitFailure(error: unknown): unknown {
  if (!(error instanceof GitError)) return error;
  return ApplicationFailure.create({
    message: clip(error.message),
    type: error.mayPass ? failureTypes.setupUnreachable : failureTypes.setupFailed,
    nonRetryable: !error.mayPass,
  });
}
