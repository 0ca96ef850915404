import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/workflow';
import { failureTypes } from '../contract/index.js';
import type { AttemptResult, BeatDetails, FailureType, Outcome } from '../contract/index.js';
import type { BeadEvent } from '../domain/index.js';

const isResult = (value: unknown): value is AttemptResult =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as AttemptResult).attempt === 'string' &&
  typeof (value as AttemptResult).outcome === 'string';

const isDetails = (value: unknown): value is BeatDetails =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as BeatDetails).attempt === 'string' &&
  typeof (value as BeatDetails).phase === 'string';

/**
 * Why a signal did not reach its workflow. `gone`: there is none, or it has ended; `full`: its present run has had as
 * many signals as the server takes for one, and its next run will take it; `refused`: a cause that is not known here.
 */
export type Undelivered = 'gone' | 'full' | 'refused';

/** By the cause in the history, which the SDK's core makes the type of the failure (seen on servers 1.29 and 1.32). */
const undeliveredBy: Partial<Record<string, Undelivered>> = {
  ExternalWorkflowExecutionNotFound: 'gone',
  NamespaceNotFound: 'gone',
  SignalCountLimitExceeded: 'full',
};

/**
 * What it means that a signal from workflow to workflow has failed.
 * @throws the error itself when it is none of the server's: a cancellation, or a bug.
 */
export function undelivered(error: unknown): Undelivered {
  if (!(error instanceof ApplicationFailure)) throw error;
  return undeliveredBy[error.type ?? ''] ?? 'refused';
}

/** How `startAgent` tells that an attempt could not begin, as an outcome. */
const setupOutcomes: Partial<Record<FailureType, Outcome>> = {
  [failureTypes.setupFailed]: 'setup_failed',
  [failureTypes.badAgentOptions]: 'setup_failed',
  [failureTypes.badInput]: 'setup_failed',
  [failureTypes.hostDeclines]: 'declined',
  [failureTypes.agentNotInstalled]: 'not_installed',
  [failureTypes.setupUnreachable]: 'lost',
  [failureTypes.noSuchAttempt]: 'lost',
};

function retryAfter({ details }: ApplicationFailure): number | undefined {
  const [given] = (details ?? []) as [{ retryAfterMs?: unknown }?];
  return typeof given?.retryAfterMs === 'number' && given.retryAfterMs > 0 ? given.retryAfterMs : undefined;
}

/**
 * What the end of a `startAgent` activity by failure means for the bead.
 * @param stopping whether the bead has ordered the stop; then a cancellation is expected.
 * @throws the error itself when it is none of the activity's: a bug must not be taken for an agent's death.
 */
export function eventOfFailure(
  error: unknown,
  attempt: string,
  host: string | undefined,
  stopping: boolean,
): BeadEvent {
  // In a cancelled scope the SDK does not schedule the activity; it throws `CancelledFailure` without an
  // `ActivityFailure` around it.
  if (!(error instanceof ActivityFailure) && !(error instanceof CancelledFailure)) throw error;
  const cause = error instanceof CancelledFailure ? error : error.cause;
  if (cause instanceof TimeoutFailure) {
    switch (cause.timeoutType) {
      case 'HEARTBEAT':
        return {
          type: 'silent',
          attempt,
          details: isDetails(cause.lastHeartbeatDetails) ? cause.lastHeartbeatDetails : undefined,
        };
      case 'SCHEDULE_TO_START':
        return { type: 'unreachable', attempt, text: `no worker of host ${host ?? '(unknown)'} took up the adoption` };
      default:
        return { type: 'unwatched', attempt, text: `the activity timed out (${cause.timeoutType})` };
    }
  }
  if (cause instanceof CancelledFailure) {
    const result = cause.details?.find(isResult);
    if (result) return { type: 'ended', result };
    // Cancelled before it was taken: nothing was started by it. An agent of an earlier activity is the stop's affair.
    if (stopping && host === undefined)
      return {
        type: 'ended',
        result: { attempt, outcome: 'stopped', reason: 'stopped before any host took it', host: 'unknown' },
      };
    return { type: 'unwatched', attempt, text: 'the activity was cancelled without a result' };
  }
  if (cause instanceof ApplicationFailure) {
    const type = cause.type as FailureType | undefined;
    if (type === failureTypes.heldElsewhere) {
      const [details] = (cause.details ?? []) as [{ host?: unknown }?];
      if (typeof details?.host === 'string') return { type: 'heldElsewhere', attempt, host: details.host };
    }
    // The runner's token had been superseded: this attempt is looked after by somebody else, or by nobody; adoption
    // finds out.
    if (type === failureTypes.runnerRefused) {
      const [details] = (cause.details ?? []) as [{ fence?: unknown }?];
      return { type: 'unwatched', attempt, text: cause.message, fenced: details?.fence === 'unreachable' || undefined };
    }
    const outcome = type === undefined ? undefined : setupOutcomes[type];
    return {
      type: 'ended',
      result: {
        attempt,
        outcome: outcome ?? 'lost',
        reason: cause.message,
        host: host ?? 'unknown',
        retryAfterMs: type === failureTypes.hostDeclines ? retryAfter(cause) : undefined,
      },
    };
  }
  return { type: 'unwatched', attempt, text: error.message };
}
