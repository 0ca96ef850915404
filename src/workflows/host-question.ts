/**
 * A question to one host: what an attempt has written, read where it lies. The answer is the workflow's result; who
 * asked deletes both.
 * @module
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import { taskQueues } from '../contract/index.js';
import type { AttemptPiece, HostAnswers, HostQuestion } from '../contract/index.js';

/** A living worker takes a task at once; one that does not is away, and whoever asked is told so. */
const takenWithin = 10_000;
/** For the reading itself, on a busy disk. */
const readWithin = 30_000;

export async function hostQuestion({ host, read }: HostQuestion): Promise<AttemptPiece> {
  const { readAttempt } = proxyActivities<HostAnswers>({
    taskQueue: taskQueues.host(host, workflowInfo().taskQueue),
    scheduleToStartTimeout: takenWithin,
    startToCloseTimeout: read.waitMs + readWithin,
    // Who asked asks again.
    retry: { maximumAttempts: 1 },
    summary: `${read.part} of attempt ${read.attempt}`,
  });
  return readAttempt(read);
}
