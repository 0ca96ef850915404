import { ApplicationFailure } from '@temporalio/activity';
import { failureTypes } from '../contract/index.js';
import type { HostAttemptInput } from '../contract/index.js';
import { inspectAttempt, RunnerControl, RunnerGoneError, RunnerRefusedError } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { failure } from './failures.js';

/**
 * Asks the living runner of an attempt for something.
 * @throws ApplicationFailure `NoSuchAttempt`: for good when the attempt has ended or is unknown here, else to be tried
 * again; `RunnerRefused` when the runner heard it and refused.
 */
export async function askRunner<T>(
  { host }: Pick<ActivityDeps, 'host'>,
  input: HostAttemptInput,
  ask: (runner: RunnerControl) => Promise<T>,
): Promise<T> {
  const dir = host.attemptDir(input);
  const { kind } = await inspectAttempt(dir);
  if (kind === 'missing' || kind === 'ended')
    throw failure(
      failureTypes.noSuchAttempt,
      `attempt ${input.attempt} ${kind === 'ended' ? 'has ended' : `is not on host ${host.hostId}`}`,
    );
  try {
    return await ask(new RunnerControl(dir));
  } catch (error) {
    if (error instanceof RunnerGoneError) throw ApplicationFailure.retryable(error.message, failureTypes.noSuchAttempt);
    if (error instanceof RunnerRefusedError) throw failure(failureTypes.runnerRefused, error.message);
    throw error;
  }
}
