import type { AttemptResult, StartAgentInput } from '../contract/index.js';
import type { TaskInHand } from './task-in-hand.js';
import type { AgentPlan } from './agent-script.js';
import type { VirtualRunner } from './virtual-runner.js';
import type { FakeWork } from './fake-work.js';

/** What a host's disk holds of an attempt. It outlives the worker and the runner. */
export interface FakeAttempt {
  readonly input: StartAgentInput;
  readonly plan: AgentPlan;
  readonly work: FakeWork;
  /** The newest task token that was written down. */
  task: TaskInHand;
  /** Milliseconds of the cold start that are done: a clone is not repeated. */
  prepared: number;
  /** The worker is at it, in this very process. */
  preparing: boolean;
  /** An adoption that waits for the preparation of a former token to end. */
  waiting?: TaskInHand;
  runner?: VirtualRunner;
  result?: AttemptResult;
}
