import type { Activities } from '../contract/index.js';
import type { ActivityDeps } from './deps.js';
import { readInput } from './input.js';
import { askRunner } from './ask-runner.js';

/**
 * `pauseAttempt`: freezes the attempt's agent (SIGSTOP to all its processes) or lets it go on; resolves when that is
 * done. Idempotent.
 */
export function makePauseAttempt(deps: Pick<ActivityDeps, 'host'>): Activities['pauseAttempt'] {
  return async (given) => {
    const input = readInput('pauseAttempt', given);
    await askRunner(deps, input, (runner) => runner.pause(input.paused));
  };
}
