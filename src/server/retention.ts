import type { Connection } from '@temporalio/client';

/** How long a server keeps closed beads: a month of `heartbead ls` and of histories to look into. */
export const defaultRetentionDays = 30;
const daySeconds = 86_400;
/** What the dev server gives its namespace, whatever it is told: beads of the day before yesterday would be gone. */
const devServerDays = 1;

export const retentionSeconds = (days: number): { seconds: never } => ({ seconds: (days * daySeconds) as never });

/** @returns for how many days the server keeps closed beads, or undefined when it does not say. */
export async function retentionDays(connection: Connection, namespace: string): Promise<number | undefined> {
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  return seconds === 0 ? undefined : seconds / daySeconds;
}

/** Gives the namespace of a dev server our retention. One that somebody has set to another value stays as it is. */
export async function lengthenRetention(connection: Connection, namespace: string): Promise<void> {
  if ((await retentionDays(connection, namespace)) !== devServerDays) return;
  await connection.workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: retentionSeconds(defaultRetentionDays) },
  });
}
