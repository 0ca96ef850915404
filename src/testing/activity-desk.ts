/**
 * Takes activity tasks from their queues on behalf of fake hosts: one poll when, and only when, a task waits and
 * somebody can take it. So "nobody polls this queue" is exactly true, a host can take a task and never answer, and
 * nothing happens behind the clock's back.
 * @module
 */
import { isGrpcDeadlineError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { opened } from '../codec/index.js';
import type { OpenActivity } from './run-history.js';
import type { TaskInHand } from './task-in-hand.js';
import type { VirtualClock } from './virtual-clock.js';

/** One that a server has handed out. */
class PolledTask implements TaskInHand {
  constructor(
    private readonly desk: ActivityDesk,
    private readonly client: Client,
    readonly activity: OpenActivity,
    private readonly token: Uint8Array,
    readonly input: unknown,
  ) {}

  get type(): string {
    return this.activity.type;
  }

  async complete(result: unknown): Promise<void> {
    await this.#answer(() => this.client.activity.complete(this.token, result));
  }

  async fail(error: Error): Promise<void> {
    await this.#answer(() => this.client.activity.fail(this.token, error));
    if (this.desk.retriesAfter(this.activity, error)) this.desk.backOff(this.activity);
  }

  async reportCancellation(details: unknown): Promise<void> {
    await this.#answer(() => this.client.activity.reportCancellation(this.token, details));
  }

  /** One activity heartbeat. Writes no history. */
  async beat(details: unknown): Promise<void> {
    const sent = this.desk.clock.now();
    try {
      await this.client.activity.heartbeat(this.token, details);
    } finally {
      // Also a refusal to go on (cancel requested) is an accepted beat; for one that was none the activity is gone
      // anyway.
      this.activity.lastBeatAt = Math.max(this.activity.lastBeatAt ?? 0, sent);
    }
  }

  async #answer(answer: () => Promise<void>): Promise<void> {
    try {
      await answer();
    } finally {
      this.desk.onTouch(this.activity.workflowId);
    }
  }
}

/**
 * A poll waits for so many real milliseconds, where the server has dropped its task meanwhile; else the answer comes at
 * once.
 */
const pollsFor = 5_000;
/** A task whose time in its queue is over in so many milliseconds is left to the server: a poll may take as many. */
const dropGuard = 100;

/** Says who, if anybody, can take a task of a queue now. */
export type Taker = (activity: OpenActivity) => ((task: TaskInHand) => Promise<void>) | undefined;

/** Reads a workflow's history anew. @returns the activity of it that is meant; undefined when it has none. */
export type LookAgain = (
  workflowId: string,
  isIt: (activity: OpenActivity) => boolean,
) => Promise<OpenActivity | undefined>;

export class ActivityDesk {
  readonly #takers = new Map<string, Taker>();
  clock!: VirtualClock;
  onTouch: (workflowId: string) => void = () => undefined;

  constructor(private readonly client: Client) {}

  /** Serves a queue; replaces who served it before. */
  serve(queue: string, taker: Taker): void {
    this.#takers.set(queue, taker);
  }

  /**
   * @param lookAgain finds an activity that its workflow has scheduled since these were looked up.
   * @returns how many tasks were taken.
   */
  async takeUp(activities: readonly OpenActivity[], lookAgain: LookAgain): Promise<number> {
    let taken = 0;
    for (const activity of activities) {
      if (activity.startedAt !== undefined || activity.backoffUntil !== undefined || activity.cancelRequested) continue;
      if (this.#dropped(activity)) continue;
      const serve = this.#takers.get(activity.queue)?.(activity);
      if (serve === undefined) continue;
      const task = await this.#poll(activity.queue, activities, lookAgain);
      taken += 1;
      if (task === undefined) continue;
      await serve(task);
    }
    return taken;
  }

  /** Whether its time in the queue is over, which its history may not tell yet: taking up the others took time. */
  #dropped({ timeouts, scheduledAt }: OpenActivity): boolean {
    return timeouts.scheduleToStart > 0 && scheduledAt + timeouts.scheduleToStart - dropGuard <= this.clock.now();
  }

  async #poll(
    queue: string,
    activities: readonly OpenActivity[],
    lookAgain: LookAgain,
  ): Promise<TaskInHand | undefined> {
    const answer = await this.client
      .withDeadline(Date.now() + pollsFor, () =>
        this.client.workflowService.pollActivityTaskQueue({
          namespace: this.client.options.namespace,
          taskQueue: { name: queue },
          identity: 'fake host',
        }),
      )
      .catch((error: unknown) => {
        if (isGrpcDeadlineError(error)) return undefined;
        throw error;
      });
    const { workflowExecution, taskToken } = answer ?? {};
    if (answer === undefined || workflowExecution == null || !taskToken?.length) {
      // Which of them is gone, their histories tell.
      for (const one of activities) if (one.queue === queue) this.onTouch(one.workflowId);
      return undefined;
    }
    const { runId, workflowId } = workflowExecution;
    const isIt = (one: OpenActivity): boolean => one.runId === runId && one.activityId === answer.activityId;
    // To take up the ones before took time, in which another workflow may have put its task into this queue.
    const activity = activities.find(isIt) ?? (await lookAgain(workflowId ?? '', isIt));
    if (activity === undefined) return undefined;
    activity.startedAt = this.clock.now();
    activity.attempt = answer.attempt ?? 1;
    delete activity.lastBeatAt;
    const { payloadConverter, payloadCodecs } = this.client.options.loadedDataConverter;
    const [payload] = (await opened(answer.input, payloadCodecs))?.payloads ?? [];
    const input: unknown = payload ? payloadConverter.fromPayload(payload) : undefined;
    return new PolledTask(this, this.client, activity, taskToken, input);
  }

  /** @returns whether the server tries again after this failure; the history tells only of the last one. */
  retriesAfter(activity: OpenActivity, error: Error): boolean {
    if (
      error instanceof ApplicationFailure &&
      (error.nonRetryable || activity.retry.nonRetryable.includes(error.type ?? ''))
    )
      return false;
    return this.retriesAfterTimeout(activity);
  }

  retriesAfterTimeout(activity: OpenActivity): boolean {
    return activity.retry.maximumAttempts === 0 || activity.attempt < activity.retry.maximumAttempts;
  }

  /** The next try waits; meanwhile the activity holds no lock on time. */
  backOff(activity: OpenActivity): void {
    const { initial, coefficient, maximum } = activity.retry;
    activity.backoffUntil =
      this.clock.now() +
      Math.min(initial * coefficient ** (activity.attempt - 1), maximum === Infinity ? initial * 100 : maximum);
    delete activity.startedAt;
  }
}
