import type { Activities } from '../contract/index.js';
import type { ActivityDeps } from './deps.js';
import { readInput } from './input.js';
import { askRunner } from './ask-runner.js';

/** `deliverMessage`: puts a message into the box of the attempt's agent. The same message twice is one. */
export function makeDeliverMessage(deps: Pick<ActivityDeps, 'host'>): Activities['deliverMessage'] {
  return async (given) => {
    const input = readInput('deliverMessage', given);
    await askRunner(deps, input, (runner) => runner.deliver(input.message));
  };
}
