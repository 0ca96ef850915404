import { ApplicationFailure } from '@temporalio/common';
import type { BranchLook, LookAtBranchInput, MergeInput, MergeOutcome } from '../contract/index.js';
import type { TaskInHand } from './task-in-hand.js';
import { fakeSha } from './fake-remote.js';
import type { FakeRemote } from './fake-remote.js';

/** The refinery's side of the merge queue: it merges in no time, or answers what the test says. */
export class FakeRefinery {
  /** Everything it was asked, oldest first. */
  readonly merges: MergeInput[] = [];
  /** The answer to each merge. Default: it succeeds. An `Error` is a failure that may pass. */
  answer: (input: MergeInput) => MergeOutcome | Error = (input) => this.merged(input);
  #merged = 0;

  constructor(private readonly remote: FakeRemote) {}

  /** @returns a success, of which the remote's target then knows. */
  merged({ request, strategy }: Pick<MergeInput, 'request' | 'strategy'>): MergeOutcome {
    this.#merged += 1;
    const target = request.target === '' ? 'main' : request.target;
    const sha = fakeSha('merge', this.#merged, request.sha);
    this.remote.push(`refs/heads/${target}`, sha);
    return { outcome: 'merged', sha, target, strategy };
  }

  /** Does one task of the merge queue. */
  async serve(task: TaskInHand): Promise<void> {
    if (task.type === 'ensureBranch') {
      const { branch } = task.input as { branch: string };
      this.remote.push(`refs/heads/${branch}`, this.remote.baseSha);
      return task.complete({ branch, sha: this.remote.baseSha, created: true });
    }
    if (task.type !== 'merge')
      return task.fail(ApplicationFailure.nonRetryable(`the merge queue has no activity ${task.type}`));
    const input = task.input as MergeInput;
    this.merges.push(input);
    const answer = this.answer(input);
    if (answer instanceof Error)
      return task.fail(ApplicationFailure.create({ message: answer.message, type: 'SetupUnreachable' }));
    return task.complete(answer);
  }

  /** `lookAtBranch`: every merged commit is on its target. */
  look({ branch }: LookAtBranchInput): BranchLook {
    return {
      sha: this.remote.refs.get(`refs/heads/${branch === '' ? 'main' : branch}`) ?? this.remote.baseSha,
      missing: [],
    };
  }
}
