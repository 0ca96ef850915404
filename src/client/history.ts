import { WorkflowNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { opened } from '../codec/index.js';
import { beadWorkflowId, searchAttributes } from '../contract/index.js';
import type { StoryEvent } from '../domain/telling/story.js';
import type { TownConnection } from './connect.js';
import { within } from './deadline.js';
import { BeadNotFoundError } from './errors.js';
import { isNotFound, asClientError } from './as-client-error.js';

type Handle = ReturnType<Client['workflow']['getHandle']>;
type History = Awaited<ReturnType<Handle['fetchHistory']>>;
type Event = NonNullable<History['events']>[number];
type Payloads = { payloads?: Parameters<typeof defaultPayloadConverter.fromPayload>[0][] | null } | null | undefined;

/** Runs that are read; one run has thousands of events. */
const runsRead = 50;

/**
 * Reads what happened to a bead from its history, over all runs that continued one another. It needs no worker.
 * @returns events, oldest first, and whether older runs are missing (deleted by the server's retention, or more than
 * 50).
 * @throws BeadNotFoundError
 */
export async function readHistory(
  town: Pick<TownConnection, 'client'>,
  bead: string,
  deadline: number,
): Promise<{ events: StoryEvent[]; runs: number; cut: boolean }> {
  const workflowId = beadWorkflowId(bead);
  const runs: StoryEvent[][] = [];
  let runId: string | undefined;
  let cut = false;
  try {
    for (;;) {
      // Without a run id it is the newest one.
      const history = await within(town.client, deadline, () =>
        town.client.workflow.getHandle(workflowId, runId).fetchHistory(),
      );
      const events = await opened(history.events ?? [], town.client.options.loadedDataConverter.payloadCodecs);
      runs.unshift(storyEvents(events));
      const before = events[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
      if (before === undefined || before === null || before === '') break;
      if (runs.length === runsRead) {
        cut = true;
        break;
      }
      runId = before;
    }
  } catch (error) {
    // `fetchHistory` does not turn the server's answer into the SDK's own error.
    if (!(error instanceof WorkflowNotFoundError) && !isNotFound(error)) throw asClientError(error);
    if (runs.length === 0) throw new BeadNotFoundError(bead);
    cut = true;
  }
  return { events: runs.flat(), runs: runs.length, cut };
}

/** @returns the events of one run that tell something. */
export function storyEvents(events: readonly Event[]): StoryEvent[] {
  const activities = new Map<string, { activity: string; input: unknown }>();
  return events.flatMap((event): StoryEvent[] => {
    const at = instant(event.eventTime);
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled)
      activities.set(String(event.eventId), {
        activity: scheduled.activityType?.name ?? 'an activity',
        input: one(scheduled.input),
      });
    const found = storyEvent(event, (id) => activities.get(String(id)));
    return found === undefined ? [] : [{ at, ...found } as StoryEvent];
  });
}

type Untimed<T> = T extends StoryEvent ? Omit<T, 'at'> : never;
type Scheduled = (scheduledEventId: unknown) => { activity: string; input: unknown } | undefined;

function storyEvent(event: Event, activityOf: Scheduled): Untimed<StoryEvent> | undefined {
  const unknownActivity = { activity: 'an activity', input: undefined };
  const started = event.workflowExecutionStartedEventAttributes;
  if (started)
    return started.continuedExecutionRunId ? { kind: 'renewed' } : { kind: 'began', input: one(started.input) };
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled) return { kind: 'asked', ...(activityOf(event.eventId) ?? unknownActivity) };
  const completed = event.activityTaskCompletedEventAttributes;
  if (completed)
    return {
      kind: 'answered',
      ...(activityOf(completed.scheduledEventId) ?? unknownActivity),
      result: one(completed.result),
    };
  const failed = event.activityTaskFailedEventAttributes;
  if (failed)
    return {
      kind: 'failed',
      ...(activityOf(failed.scheduledEventId) ?? unknownActivity),
      how: 'failed',
      reason: failed.failure?.cause?.message || failed.failure?.message || 'no reason',
    };
  const timedOut = event.activityTaskTimedOutEventAttributes;
  if (timedOut)
    return {
      kind: 'failed',
      ...(activityOf(timedOut.scheduledEventId) ?? unknownActivity),
      how: 'timed out',
      reason: timedOut.failure?.message || 'no answer in time',
    };
  const cancelled = event.activityTaskCanceledEventAttributes;
  if (cancelled)
    return {
      kind: 'failed',
      ...(activityOf(cancelled.scheduledEventId) ?? unknownActivity),
      how: 'cancelled',
      reason: 'cancelled',
    };
  const signal = event.workflowExecutionSignaledEventAttributes;
  if (signal)
    return {
      kind: 'signal',
      name: signal.signalName ?? '?',
      payload: one(signal.input),
      by: signal.identity || undefined,
    };
  const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
  if (update)
    return {
      kind: 'update',
      name: update.input?.name ?? '?',
      payload: one(update.input?.args),
      by: update.meta?.identity || undefined,
    };
  const told = event.signalExternalWorkflowExecutionInitiatedEventAttributes;
  if (told) return { kind: 'told', name: told.signalName ?? '?', whom: told.workflowExecution?.workflowId ?? '?' };
  const upserted = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields;
  if (upserted) return shown(upserted);
  const cancel = event.workflowExecutionCancelRequestedEventAttributes;
  if (cancel)
    return {
      kind: 'cancel',
      by: cancel.identity || undefined,
      reason: cancel.cause || undefined,
    };
  const stumbled = event.workflowTaskFailedEventAttributes;
  // The server takes a workflow task back when a message comes in meanwhile: that is no failure.
  if (stumbled) return stumbled.failure?.message ? { kind: 'stumbled', reason: stumbled.failure.message } : undefined;
  return ending(event);
}

function ending(event: Event): Untimed<StoryEvent> | undefined {
  if (event.workflowExecutionCompletedEventAttributes)
    return { kind: 'ended', how: 'completed', result: one(event.workflowExecutionCompletedEventAttributes.result) };
  if (event.workflowExecutionCanceledEventAttributes) return { kind: 'ended', how: 'cancelled', result: undefined };
  const failed = event.workflowExecutionFailedEventAttributes;
  if (failed)
    return {
      kind: 'ended',
      how: 'failed',
      result: undefined,
      reason: failed.failure?.message || undefined,
    };
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated)
    return {
      kind: 'ended',
      how: 'terminated',
      result: undefined,
      reason: terminated.reason || undefined,
      by: terminated.identity || undefined,
    };
  return event.workflowExecutionTimedOutEventAttributes
    ? { kind: 'ended', how: 'timed out', result: undefined }
    : undefined;
}

type Fields = NonNullable<
  NonNullable<NonNullable<Event['upsertWorkflowSearchAttributesEventAttributes']>['searchAttributes']>['indexedFields']
>;

function shown(fields: Fields): Untimed<StoryEvent> {
  const value = (name: string): string | undefined => {
    const read: unknown = fields[name] === undefined ? undefined : decoded(fields[name]);
    const single: unknown = Array.isArray(read) ? read[0] : read;
    return typeof single === 'string' ? single : undefined;
  };
  const [status, agent, attention] = [
    value(searchAttributes.beadStatus),
    value(searchAttributes.agentStatus),
    value(searchAttributes.attention),
  ];
  return {
    kind: 'shown',
    status,
    agent,
    attention,
  };
}

/** A payload of another encoding (a codec, say) is something that cannot be told, not something that ends the story. */
function decoded(payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0]): unknown {
  try {
    return defaultPayloadConverter.fromPayload(payload);
  } catch {
    return undefined;
  }
}

function one(payloads: Payloads): unknown {
  const first = payloads?.payloads?.[0];
  return first === undefined ? undefined : decoded(first);
}

const instant = (time: Event['eventTime']): number =>
  Number(time?.seconds ?? 0) * 1_000 + Math.floor((time?.nanos ?? 0) / 1e6);
