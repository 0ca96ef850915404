/**
 * A query that had to wait for a worker (frozen, busy, the server restarted) comes with the history of the moment at
 * which it is taken. What has happened since the last workflow task is applied to the cached workflow then, by the
 * clock of that last task, before the task that is really for it; what the workflow does in between is written down as
 * that task's commands. No replay does the same: the workflow would fail its tasks for ever as nondeterministic. (SDK
 * 1.24 with server 1.29.1; found by `npm run chaos`.) Such an activation shows by its clock, which stands still though
 * the history has grown. It is refused: the query fails and is asked again, the workflow is dropped from the cache, and
 * its task finds it as the history has it. Part of the workflow bundle (`workflowInterceptorModules`).
 * @module
 */
import type { ActivateInput, WorkflowInterceptors } from '@temporalio/workflow';

type Activation = ActivateInput['activation'];

const clockOf = ({ timestamp }: Activation): string => `${String(timestamp?.seconds)}.${String(timestamp?.nanos)}`;

export const interceptors = (): WorkflowInterceptors => {
  let before: { clock: string; events: number } | undefined;
  return {
    internals: [
      {
        activate(input, next) {
          const { activation } = input;
          const now = { clock: clockOf(activation), events: activation.historyLength ?? 0 };
          const news = activation.jobs?.some(({ queryWorkflow }) => !queryWorkflow) === true;
          // A replay is of workflow tasks only; of its clock nothing would follow.
          if (news && activation.isReplaying !== true && before?.clock === now.clock && now.events > before.events) {
            throw new Error(
              'a query has brought events that no workflow task has begun with: the workflow is taken from ' +
                'its history again',
            );
          }
          before = now;
          next(input);
        },
      },
    ],
  };
};
