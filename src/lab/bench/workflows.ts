/** Workflows of the benchmark, for its own bundle: what beads are measured against, beside the bead itself. @module */
import { condition, defineSignal, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

export { bead } from '../../workflows/bead.js';

/**
 * The least that a durable piece of work can be: one workflow, one activity that does nothing.
 * @param taskQueue of the activity: that of the hosts, as a bead's, or the workflow's own, where the server hands the
 * activity to the very worker that asks for it (eager start), which no piece of work on another machine can have.
 */
export async function bare(taskQueue: string): Promise<void> {
  const { nothing } = proxyActivities<{ nothing: () => Promise<void> }>({ startToCloseTimeout: '1 minute', taskQueue });
  await nothing();
}

/** The textbook's stale detection: a heartbeat signal every 30 s re-arms a timer. */
export async function textbook(hours: number): Promise<number> {
  let beats = 0;
  let ended = false;
  setHandler(defineSignal('heartbeat'), () => {
    beats += 1;
  });
  void sleep(hours * 3_600_000).then(() => {
    ended = true;
  });
  while (!ended) {
    const seen = beats;
    await condition(() => ended || beats !== seen, '5 minutes');
  }
  return beats;
}
