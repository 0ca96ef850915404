import type { Client } from '@temporalio/client';

/** Identities of those who ask a task queue for work. */
export async function pollersOf(
  { connection, options }: Client,
  queue: string,
  kind: 'workflow' | 'activity',
): Promise<string[]> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: queue },
    taskQueueType: kind === 'workflow' ? 1 : 2,
  });
  return (pollers ?? []).map(({ identity }) => identity ?? '');
}
