import { connect } from '../../client/connect.js';
import { defaultDeadline } from '../../client/deadline.js';
import { cellsOf } from '../../client/cells.js';
import { listBeads } from '../../client/list.js';
import { problemsOf } from '../../domain/telling/problems.js';
import { lookAtTown } from '../../operator/town-facts.js';

/** What operators look at most, as their verbs read it. */
export const reads = ['ls', 'problems', 'top'] as const;
export type Read = (typeof reads)[number];

/** Milliseconds that each took, in turn. */
export type ReadTimes = Record<Read, number[]>;

/**
 * Times what `heartbead ls`, `problems` and `top` ask a town, with their own limits: 100, 500 and 100 beads.
 * @param home a state directory of nobody.
 */
export async function timedReads(
  { address, namespace, taskQueue, home }: { address: string; namespace: string; taskQueue: string; home: string },
  rounds: number,
): Promise<ReadTimes> {
  const town = await connect({
    env: {
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      HEARTBEAD_TASK_QUEUE: taskQueue,
      HEARTBEAD_HOME: home,
    },
  });
  const deadline = defaultDeadline;
  const look: Record<Read, () => Promise<unknown>> = {
    ls: async () => {
      const { beads } = await listBeads(town, { limit: 100, deadline, taskQueue });
      await cellsOf(town, beads);
    },
    problems: async () => problemsOf((await lookAtTown(town, { deadline, attentive: 500 })).facts),
    top: async () => problemsOf((await lookAtTown(town, { deadline, limit: 100, attentive: 100 })).facts),
  };
  const times: ReadTimes = { ls: [], problems: [], top: [] };
  try {
    for (let round = 0; round < rounds; round += 1)
      for (const read of reads) {
        const began = performance.now();
        await look[read]();
        times[read].push(performance.now() - began);
      }
  } finally {
    await town.close();
  }
  return times;
}
