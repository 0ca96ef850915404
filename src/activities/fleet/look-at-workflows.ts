import { WorkflowNotFoundError } from '@temporalio/client';
import type { WorkflowExecutionStatusName } from '@temporalio/client';
import { beadOfWorkflowId, messages } from '../../contract/index.js';
import type { BeadReport, BeadView, FleetActivities, WorkflowLook } from '../../contract/index.js';
import { reportOf } from '../../domain/index.js';
import type { FleetDeps } from './deps.js';
import { readInput } from './input.js';

/** Requests under way at once: a look may be at hundreds of workflows. */
const atOnce = 10;
/** A bead that has ended is replayed by a worker to answer. */
const answersWithin = 20_000;
const ended: readonly WorkflowExecutionStatusName[] = ['COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT'];

/**
 * `lookAtWorkflows`: which of these have ended, also those that were terminated and could tell nobody. With `reports`,
 * beads that have ended say how; one that cannot be asked now is left out of the answer, so that nobody is judged by a
 * question that failed.
 */
export function makeLookAtWorkflows({
  client,
  logger,
}: Pick<FleetDeps, 'client' | 'logger'>): FleetActivities['lookAtWorkflows'] {
  return async (given) => {
    const { workflowIds, reports } = readInput('lookAtWorkflows', given);
    const looks: (WorkflowLook | undefined)[] = [];
    const waiting = [...workflowIds.entries()];
    const ends = await Promise.allSettled(
      Array.from({ length: Math.min(atOnce, waiting.length) }, async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
          looks[next[0]] = await look(next[1], reports === true);
      }),
    );
    // Not before all have ended: a request that nobody waits for would go on behind the back of whoever closes the
    // connection.
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return looks.filter((one) => one !== undefined);
  };

  async function look(workflowId: string, reports: boolean): Promise<WorkflowLook | undefined> {
    const status = await statusOf(workflowId);
    const running = status !== 'NOT_FOUND' && !ended.includes(status);
    if (running || !reports || status === 'NOT_FOUND' || beadOfWorkflowId(workflowId) === undefined)
      return { workflowId, running, status };
    try {
      const report = await reportFrom(workflowId);
      return { workflowId, running, status, report };
    } catch (error) {
      logger.warn({ err: error, workflowId, status }, 'a bead that has ended could not be asked how');
      return undefined;
    }
  }

  async function statusOf(workflowId: string): Promise<WorkflowExecutionStatusName | 'NOT_FOUND'> {
    try {
      return (await client.workflow.getHandle(workflowId).describe()).status.name;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'NOT_FOUND';
      throw error;
    }
  }

  async function reportFrom(workflowId: string): Promise<BeadReport | undefined> {
    const view = await client.withDeadline(Date.now() + answersWithin, () =>
      client.workflow.getHandle(workflowId).query<BeadView>(messages.state),
    );
    return reportOf(view);
  }
}
