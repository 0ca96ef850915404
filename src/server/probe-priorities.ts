import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';

/** What a trial has shown. */
export interface PriorityProbe {
  /** Both are honoured, exactly. */
  honoured: boolean;
  /** For people: what was seen. */
  text: string;
  /** `rough`: urgent work comes early, but not always first (several partitions per queue). */
  priorities: 'exact' | 'rough' | 'ignored';
  /** A small rig's work does not wait behind all of a large one's. */
  fairness: boolean;
  /** What is to be set in the server's dynamic configuration; empty when both are honoured. */
  settings: string[];
}

const urgent = { priorityKey: 1, fairnessKey: 'large' };
const large = { priorityKey: 4, fairnessKey: 'large' };
const small = { priorityKey: 4, fairnessKey: 'small' };
/**
 * In the order in which they are queued: without priorities and fairness they come out so. Chance brings the six urgent
 * ones to the front once in 38,760 times; only fairness takes the small ones ahead of large ones that were queued
 * before.
 */
const batches = [
  { name: 'large', count: 10, priority: large },
  { name: 'small', count: 4, priority: small },
  { name: 'urgent', count: 6, priority: urgent },
] as const;
const total = 20;

/**
 * A start is answered a little before its task is in the queue; with this between the batches an earlier one is there
 * before a later one comes. (Counts would tell, but the server keeps them for 5 s, so only the end is counted.)
 */
const betweenBatchesMs = 250;
/** Twice the age that counts may have. */
const queuedWithinMs = 10_000;
/** The task is there: any answer after that is a queue that lost it. */
const pollWithinMs = 5_000;
const lookEveryMs = 50;

/**
 * Finds out by trying whether the server honours priorities and fairness keys: puts tasks of workflows of no type into
 * a queue that nobody serves, takes them out by hand, and looks at their order. Leaves nothing behind; takes 1 to 2 s
 * as a rule, 7 s when the count comes late, 20 at most.
 * @throws when the server does not say how many tasks wait, or hands none out; the message says so.
 */
export async function probePriorities(connection: Connection, namespace: string): Promise<PriorityProbe> {
  const queue = `heartbead-probe-${randomUUID()}`;
  const started: string[] = [];
  try {
    for (const { name, count, priority } of batches) {
      for (let i = 0; i < count; i += 1) {
        const workflowId = `${queue}-${name}-${i}`;
        await connection.workflowService.startWorkflowExecution({
          namespace,
          workflowId,
          requestId: randomUUID(),
          identity: 'heartbead doctor',
          workflowType: { name: 'heartbead-probe' },
          taskQueue: { name: queue },
          priority,
        });
        started.push(workflowId);
      }
      await sleep(betweenBatchesMs);
    }
    await untilQueued(connection, namespace, queue, started.length);
    const order: string[] = [];
    while (order.length < total) order.push(batchOf(await takeOne(connection, namespace, queue)));
    return judge(order);
  } finally {
    for (const workflowId of started) await remove(connection, namespace, workflowId);
  }
}

/** @param order names of batches, in the order in which their tasks came out. */
export function judge(order: readonly string[]): PriorityProbe {
  const lateness = mean(order.flatMap((name, at) => (name === 'urgent' ? [at] : [])));
  const first = (batches[2].count - 1) / 2;
  const byChance = (order.length - 1) / 2;
  const priorities = lateness === first ? 'exact' : lateness < (first + byChance) / 2 ? 'rough' : 'ignored';
  const rest = order.filter((name) => name !== 'urgent');
  // Taking turns puts the last small one at twice its number. Without exact priorities the order says nothing about
  // turns.
  const fairness = priorities === 'exact' && rest.lastIndexOf('small') <= 2 * batches[1].count;
  return {
    honoured: priorities === 'exact' && fairness,
    priorities,
    fairness,
    text: describe(priorities, fairness),
    settings: settingsFor(priorities, fairness),
  };
}

/**
 * Fairness is off by default in every server so far (tried with 1.29.1 and 1.32.0), and four partitions a queue are
 * usual; the matcher that heeds priorities is the default of later servers than the 1.29 line.
 */
function settingsFor(priorities: PriorityProbe['priorities'], fairness: boolean): string[] {
  const partitions = ['matching.numTaskqueueReadPartitions: 1', 'matching.numTaskqueueWritePartitions: 1'];
  return [
    ...(priorities === 'ignored' ? ['matching.useNewMatcher: true'] : []),
    ...(priorities === 'exact' ? [] : partitions),
    ...(fairness ? [] : ['matching.enableFairness: true']),
  ];
}

function describe(priorities: PriorityProbe['priorities'], fairness: boolean): string {
  const tried = `tried with ${total} tasks`;
  switch (priorities) {
    case 'exact':
      return fairness
        ? `the server honours priorities and fairness keys (${tried})`
        : `the server honours priorities, but no fairness keys: a large rig's beads make a small one's wait (${tried})`;
    case 'rough':
      return `the server honours priorities only roughly, as with several partitions per task queue (${tried})`;
    case 'ignored':
      return `the server ignores priorities: urgent beads wait like all others (${tried})`;
  }
}

async function untilQueued(connection: Connection, namespace: string, name: string, count: number): Promise<void> {
  const giveUpAt = Date.now() + queuedWithinMs;
  for (;;) {
    const { stats } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name },
      taskQueueType: 1,
      reportStats: true,
    });
    if (Number(stats?.approximateBacklogCount ?? 0) >= count) return;
    if (Date.now() > giveUpAt)
      throw new Error(
        `the server does not say that ${count} tasks wait in a queue with as many (an older server may not ` +
          'count them), so its order cannot be judged',
      );
    await sleep(lookEveryMs);
  }
}

async function takeOne(connection: Connection, namespace: string, name: string): Promise<string> {
  const { workflowExecution } = await connection.withDeadline(Date.now() + pollWithinMs, () =>
    connection.workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name }, identity: 'heartbead doctor' }),
  );
  if (
    workflowExecution?.workflowId === undefined ||
    workflowExecution.workflowId === null ||
    workflowExecution.workflowId === ''
  )
    throw new Error('the server handed out no task though some wait, so its order cannot be judged');
  return workflowExecution.workflowId;
}

/**
 * Deletes the running workflow: one that was terminated first is kept by the server until its retention is over (seen
 * on 1.29.1).
 */
async function remove({ workflowService }: Connection, namespace: string, workflowId: string): Promise<void> {
  await workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } });
}

const batchOf = (workflowId: string): string => workflowId.split('-').at(-2) ?? '';
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
