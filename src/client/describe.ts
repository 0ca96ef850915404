import type { Client, WorkflowExecutionStatusName } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { opened } from '../codec/index.js';
import { beadStatuses, beadWorkflowId, searchAttributes } from '../contract/index.js';
import type { AgentStatus, BeadStatus, BeatDetails } from '../contract/index.js';

/**
 * What the server knows of a bead by itself: readable without any worker, though perhaps a moment behind the bead's own
 * account.
 */
export interface BeadDescription {
  bead: string;
  runId: string;
  execution: WorkflowExecutionStatusName;
  title: string;
  /** As last published by the bead; absent when it has never run. */
  status?: BeadStatus;
  agent?: AgentStatus;
  attention?: string;
  rig?: string;
  taskQueue: string;
  startedAt: number;
  closedAt?: number;
  historyLength: number;
  pendingActivities: PendingActivity[];
  /** Who ended an execution from outside (or what, by time), and why, as far as the server says. */
  ending?: { by?: string; reason: string };
}

/** An activity the server waits for. `Details` are those of its last heartbeat. */
export interface PendingActivity<Details = BeatDetails> {
  type: string;
  state: string;
  attempt: number;
  lastBeatAt?: number;
  details?: Details;
  lastFailure?: string;
}

/** @throws WorkflowNotFoundError as the SDK does. */
export async function describeBead(client: Client, bead: string): Promise<BeadDescription> {
  const handle = client.workflow.getHandle(beadWorkflowId(bead));
  const found = await handle.describe();
  const attribute = (name: string): string | undefined => {
    const value = found.searchAttributes[name]?.[0];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const status = beadStatuses.find((known) => known === attribute(searchAttributes.beadStatus));
  const agent = attribute(searchAttributes.agentStatus) as AgentStatus | undefined;
  const attention = attribute(searchAttributes.attention);
  const rig = attribute(searchAttributes.rig);
  const ending = ['TERMINATED', 'TIMED_OUT', 'FAILED'].includes(found.status.name)
    ? await endingOf(client, found.workflowId, found.runId)
    : undefined;
  return {
    bead,
    runId: found.runId,
    execution: found.status.name,
    title: (await found.staticSummary()) ?? bead,
    status,
    agent,
    attention,
    rig,
    taskQueue: found.taskQueue,
    startedAt: found.startTime.getTime(),
    closedAt: found.closeTime?.getTime(),
    historyLength: found.historyLength,
    pendingActivities: pendingActivities({
      raw: await opened(found.raw, client.options.loadedDataConverter.payloadCodecs),
    }),
    ending,
  };
}

type Described = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>;
type RawPending = NonNullable<Described['raw']['pendingActivities']>[number];

/** @returns what the server waits for on behalf of a workflow. */
export const pendingActivities = <Details = BeatDetails>({ raw }: Pick<Described, 'raw'>): PendingActivity<Details>[] =>
  (raw.pendingActivities ?? []).map((one) => readPending<Details>(one));

// PendingActivityState of the server's API; the SDK exports the numbers only.
const pendingStates: Record<number, string> = {
  1: 'scheduled',
  2: 'started',
  3: 'cancel requested',
  4: 'paused',
  5: 'pause requested',
};

function readPending<Details>(raw: RawPending): PendingActivity<Details> {
  const beat = instant(raw.lastHeartbeatTime);
  const payload = raw.heartbeatDetails?.payloads?.[0];
  return {
    type: raw.activityType?.name ?? 'unknown',
    state: pendingStates[raw.state ?? 0] ?? 'unknown',
    attempt: raw.attempt ?? 1,
    lastBeatAt: beat,
    details:
      payload === undefined || payload === null ? undefined : defaultPayloadConverter.fromPayload<Details>(payload),
    lastFailure: raw.lastFailure?.message || undefined,
  };
}

type Timestamp = { seconds?: unknown; nanos?: number | null } | null | undefined;
function instant(time: Timestamp): number | undefined {
  return time?.seconds === undefined || time.seconds === null
    ? undefined
    : Number(time.seconds as number) * 1_000 + Math.floor((time.nanos ?? 0) / 1e6);
}

/** The last event of a history says by whom and why an execution was ended. */
async function endingOf(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<{ by?: string; reason: string } | undefined> {
  const page = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const event = page.history?.events?.[0];
  const terminated = event?.workflowExecutionTerminatedEventAttributes;
  if (terminated)
    return {
      by: terminated.identity || undefined,
      reason: terminated.reason || 'no reason was given',
    };
  const failure = event?.workflowExecutionFailedEventAttributes?.failure?.message;
  if (failure) return { reason: failure };
  return event?.workflowExecutionTimedOutEventAttributes ? { reason: 'the execution timed out' } : undefined;
}
