/**
 * The activities of a host, and of any worker: what the workflows ask for. Everything here is idempotent, since
 * everything may be asked twice.
 * @module
 */
import type { Activities, HostAnswers } from '../contract/index.js';
import type { AttemptDir } from '../runner/index.js';
import { makeDeliverMessage } from './deliver-message.js';
import type { ActivityDeps } from './deps.js';
import { makeOfferWork } from './offer-work.js';
import { makePauseAttempt } from './pause-attempt.js';
import { makeReadAttempt } from './read-attempt.js';
import { makeStartAgent } from './start-agent.js';
import { Preparations } from './start/preparations.js';
import { makeStopAttempt } from './stop-attempt.js';
import { tidyEnded, sweepUnstarted } from './sweep.js';
import { makeVerifyWork } from './verify-work.js';

export type { ActivityDeps } from './deps.js';
export { SpareTrees } from './start/spare-trees.js';

/**
 * @returns all activities of a worker, and what its host watch does with attempts that never started (`sweep`) or have
 * ended (`tidy`).
 */
export function createHostActivities(deps: ActivityDeps): {
  activities: Activities & HostAnswers;
  sweep: (dir: AttemptDir) => Promise<void>;
  tidy: (dir: AttemptDir) => Promise<boolean>;
} {
  const preparations = new Preparations(deps);
  return {
    activities: {
      startAgent: makeStartAgent(deps, preparations),
      verifyWork: makeVerifyWork(deps),
      stopAttempt: makeStopAttempt(deps, preparations),
      offerWork: makeOfferWork(deps),
      pauseAttempt: makePauseAttempt(deps),
      deliverMessage: makeDeliverMessage(deps),
      readAttempt: makeReadAttempt(deps),
    },
    sweep: (dir) => sweepUnstarted(deps, preparations, dir),
    tidy: (dir) => tidyEnded(deps, dir),
  };
}
