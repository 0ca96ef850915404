/**
 * What one run of a workflow waits for, as its history tells it: the virtual clock stops at each of these instants.
 * @module
 */
import type { WorkflowHandle } from '@temporalio/client';
import { searchAttributes } from '../contract/index.js';

type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];
type Stamp = { seconds?: unknown; nanos?: number | null } | null | undefined;

/** @returns a protobuf timestamp or duration in milliseconds; 0 when it is absent. */
export const stampMs = (stamp: Stamp): number =>
  stamp == null ? 0 : Number(stamp.seconds ?? 0) * 1_000 + (stamp.nanos ?? 0) / 1e6;

/**
 * An activity that has been scheduled and has not closed. What its worker does with it is noted here by the activity
 * desk.
 */
export interface OpenActivity {
  readonly key: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
  readonly type: string;
  readonly queue: string;
  /** Milliseconds; 0 for none. */
  readonly timeouts: { scheduleToStart: number; startToClose: number; heartbeat: number };
  readonly retry: {
    maximumAttempts: number;
    initial: number;
    coefficient: number;
    maximum: number;
    nonRetryable: readonly string[];
  };
  scheduledAt: number;
  attempt: number;
  startedAt?: number;
  lastBeatAt?: number;
  cancelRequested: boolean;
  /** Set between two tries: until then it holds no lock and nobody can take it. */
  backoffUntil?: number;
}

/** An instant at which the server does something by itself. */
export interface ServerEvent {
  /** The same instant of the same thing has the same key. */
  key: string;
  at: number;
  /** Present when it closes or retries an activity, which takes one lock away. */
  activity?: OpenActivity;
}

/** One change of the statuses that operators see. */
export interface StatusChange {
  at: number;
  bead?: string;
  agent?: string;
  attention?: string;
}

export type RunEnd = 'completed' | 'failed' | 'cancelled' | 'terminated' | 'timed-out' | 'continued';

/** A run's history, read as it grows. */
export class RunHistory {
  readonly timers = new Map<string, number>();
  readonly activities = new Map<string, OpenActivity>();
  readonly changes: StatusChange[] = [];
  /** Messages of failed workflow tasks: a bead must never have one. */
  readonly taskFailures: string[] = [];
  readonly signals = new Map<string, number>();
  /** A workflow task is scheduled or running: the state is about to change. */
  openTask = false;
  /** Signals to other workflows that are on their way, by event id, and whom they are for. */
  readonly #underway = new Map<string, string>();
  #told: string[] = [];
  ended?: RunEnd;
  continuedTo?: string;
  events = 0;
  /**
   * Locks on time that the test server never gives back: activities of a closed run, and activities cancelled before
   * their start.
   */
  #forgottenLocks = 0;

  constructor(
    readonly workflowId: string,
    readonly runId: string,
  ) {}

  /** @param events the whole history; only what is new is read. @returns whether there was anything new. */
  read(events: readonly HistoryEvent[]): boolean {
    const fresh = events.slice(this.events);
    for (const event of fresh) this.#take(event);
    this.events = events.length;
    return fresh.length > 0;
  }

  /** A workflow task is open, or a signal to another workflow is on its way. */
  get busy(): boolean {
    return this.openTask || (this.ended === undefined && this.#underway.size > 0);
  }

  /** @returns the workflows that this one has signalled since it was asked last. */
  takeSignalled(): string[] {
    const told = this.#told;
    this.#told = [];
    return told;
  }

  /** Locks on virtual time that this run holds, besides those of a workflow task. */
  get locks(): number {
    return this.ended === undefined ? this.#holders : 0;
  }

  /** @returns how many were forgotten since this was asked last. */
  takeForgottenLocks(): number {
    const forgotten = this.#forgottenLocks;
    this.#forgottenLocks = 0;
    return forgotten;
  }

  get #holders(): number {
    return [...this.activities.values()].filter((activity) => activity.backoffUntil === undefined).length;
  }

  /** What the server will do by itself, if nothing else happens. */
  *due(): Generator<ServerEvent> {
    if (this.ended !== undefined) return;
    for (const [id, at] of this.timers) yield { key: `${this.runId}/timer/${id}`, at };
    for (const activity of this.activities.values()) yield* activityDue(activity);
  }

  #take(event: HistoryEvent): void {
    const id = String(event.eventId);
    const at = stampMs(event.eventTime);
    if (event.workflowTaskScheduledEventAttributes ?? event.workflowTaskStartedEventAttributes) this.openTask = true;
    else if (event.workflowTaskCompletedEventAttributes ?? event.workflowTaskTimedOutEventAttributes)
      this.openTask = false;
    else if (event.workflowTaskFailedEventAttributes) {
      this.openTask = false;
      const { cause, failure } = event.workflowTaskFailedEventAttributes;
      // 1 = unhandled command: a signal came in while the run wanted to end, so the task is done again with it.
      if (cause !== 1) this.taskFailures.push(failure?.message ?? `cause ${String(cause)}`);
    } else if (event.timerStartedEventAttributes)
      this.timers.set(id, at + stampMs(event.timerStartedEventAttributes.startToFireTimeout));
    else if (event.timerFiredEventAttributes)
      this.timers.delete(String(event.timerFiredEventAttributes.startedEventId));
    else if (event.timerCanceledEventAttributes)
      this.timers.delete(String(event.timerCanceledEventAttributes.startedEventId));
    else if (event.workflowExecutionSignaledEventAttributes) {
      const name = event.workflowExecutionSignaledEventAttributes.signalName ?? '';
      this.signals.set(name, (this.signals.get(name) ?? 0) + 1);
    } else if (event.upsertWorkflowSearchAttributesEventAttributes)
      this.#status(at, event.upsertWorkflowSearchAttributesEventAttributes.searchAttributes?.indexedFields ?? {});
    else if (!this.#outgoing(id, event) && !this.#activity(id, at, event)) this.#end(event);
  }

  #outgoing(id: string, event: HistoryEvent): boolean {
    const begun = event.signalExternalWorkflowExecutionInitiatedEventAttributes;
    if (begun) this.#underway.set(id, begun.workflowExecution?.workflowId ?? '');
    const over =
      event.externalWorkflowExecutionSignaledEventAttributes ??
      event.signalExternalWorkflowExecutionFailedEventAttributes;
    if (over) {
      const key = String(over.initiatedEventId);
      this.#told.push(this.#underway.get(key) ?? '');
      this.#underway.delete(key);
    }
    return (begun ?? over) != null;
  }

  #activity(id: string, at: number, event: HistoryEvent): boolean {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) {
      const policy = scheduled.retryPolicy;
      this.activities.set(id, {
        key: `${this.runId}/${id}`,
        workflowId: this.workflowId,
        runId: this.runId,
        activityId: scheduled.activityId ?? '',
        type: scheduled.activityType?.name ?? '',
        queue: scheduled.taskQueue?.name ?? '',
        timeouts: {
          scheduleToStart: stampMs(scheduled.scheduleToStartTimeout),
          startToClose: stampMs(scheduled.startToCloseTimeout),
          heartbeat: stampMs(scheduled.heartbeatTimeout),
        },
        retry: {
          maximumAttempts: policy?.maximumAttempts ?? 0,
          initial: stampMs(policy?.initialInterval) || 1_000,
          coefficient: policy?.backoffCoefficient || 2,
          maximum: stampMs(policy?.maximumInterval) || Infinity,
          nonRetryable: policy?.nonRetryableErrorTypes ?? [],
        },
        scheduledAt: at,
        attempt: 1,
        cancelRequested: false,
      });
      return true;
    }
    const requested = event.activityTaskCancelRequestedEventAttributes;
    if (requested) {
      const activity = this.activities.get(String(requested.scheduledEventId));
      if (activity) activity.cancelRequested = true;
      return true;
    }
    const cancelled = event.activityTaskCanceledEventAttributes;
    const closed =
      cancelled ??
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes;
    if (!closed) return false;
    const key = String(closed.scheduledEventId);
    // The test server forgets to release the lock of an activity that nobody had started. Between two tries it holds
    // none.
    const activity = this.activities.get(key);
    if (cancelled && activity?.startedAt === undefined && activity?.backoffUntil === undefined)
      this.#forgottenLocks += 1;
    this.activities.delete(key);
    return true;
  }

  #status(at: number, fields: Record<string, { data?: Uint8Array | null }>): void {
    // `patched()` writes an attribute of its own, and says nothing of the bead.
    if (Object.keys(fields).length > 0 && !(searchAttributes.beadStatus in fields)) return;
    const text = (name: string): string | undefined => {
      const data = fields[name]?.data;
      if (!data || data.length === 0) return undefined;
      const value: unknown = JSON.parse(Buffer.from(data).toString());
      return typeof value === 'string' ? value : undefined;
    };
    const change: StatusChange = { at };
    const [bead, agent, attention] = [
      text(searchAttributes.beadStatus),
      text(searchAttributes.agentStatus),
      text(searchAttributes.attention),
    ];
    if (bead !== undefined) change.bead = bead;
    if (agent !== undefined) change.agent = agent;
    if (attention !== undefined) change.attention = attention;
    this.changes.push(change);
  }

  #end(event: HistoryEvent): void {
    const continued = event.workflowExecutionContinuedAsNewEventAttributes;
    if (event.workflowExecutionCompletedEventAttributes) this.ended = 'completed';
    else if (event.workflowExecutionFailedEventAttributes) this.ended = 'failed';
    else if (event.workflowExecutionCanceledEventAttributes) this.ended = 'cancelled';
    else if (event.workflowExecutionTerminatedEventAttributes) this.ended = 'terminated';
    else if (event.workflowExecutionTimedOutEventAttributes) this.ended = 'timed-out';
    else if (continued) {
      this.ended = 'continued';
      this.continuedTo = continued.newExecutionRunId ?? '';
    } else return;
    this.openTask = false;
    this.#forgottenLocks += this.#holders;
  }
}

function* activityDue(activity: OpenActivity): Generator<ServerEvent> {
  const { timeouts, key } = activity;
  const event = (what: string, at: number): ServerEvent => ({ key: `${key}/${what}/${at}`, at, activity });
  if (activity.backoffUntil !== undefined) {
    yield event('retry', activity.backoffUntil);
    return;
  }
  if (activity.startedAt === undefined) {
    if (timeouts.scheduleToStart > 0) yield event('schedule-to-start', activity.scheduledAt + timeouts.scheduleToStart);
    return;
  }
  // The test server lets no time-out end an activity whose cancellation was requested.
  if (activity.cancelRequested) return;
  if (timeouts.startToClose > 0) yield event('start-to-close', activity.startedAt + timeouts.startToClose);
  // It arms the heartbeat time-out only when it is the shorter one.
  if (timeouts.heartbeat > 0 && timeouts.heartbeat < timeouts.startToClose)
    yield event('heartbeat', (activity.lastBeatAt ?? activity.startedAt) + timeouts.heartbeat);
}
