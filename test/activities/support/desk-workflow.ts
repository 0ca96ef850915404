import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  proxyActivities,
  setDefaultSignalHandler,
  setHandler,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Activities } from '../../../src/contract/index.js';

/** One activity to be scheduled. */
export interface Call {
  id: string;
  activity: keyof Activities;
  queue: string;
  input: unknown;
  heartbeatTimeout?: number;
}

/** How a call ended. */
export type Ending =
  | { kind: 'result'; result: unknown }
  | { kind: 'failure'; type: string; message: string; details: unknown[] }
  | { kind: 'cancelled'; details: unknown[] }
  | { kind: 'timeout'; timeout: string | undefined; lastDetails: unknown };

export const callUpdate = defineUpdate<string, [Call]>('call');
export const endingUpdate = defineUpdate<Ending, [{ id: string }]>('ending');
export const cancelSignal = defineSignal<[{ id: string }]>('cancelCall');
export const stateSignal = defineSignal<[unknown]>('setState');
export const closeSignal = defineSignal('close');
export const stateQuery = defineQuery<unknown>('state');
export const signalsQuery = defineQuery<{ name: string; payload: unknown }[]>('signals');

/** As much of a bead's state as its hosts look at. A `speechless` one does not answer. */
interface DeskState {
  status: string;
  current?: { id: string; host?: string | undefined; spawnedAt?: number; lastSignAt?: number };
}

/**
 * Stands in for a bead: answers `state` as it is told, remembers every signal, and schedules whatever activity a test
 * asks for.
 */
export async function desk(initial: unknown): Promise<void> {
  let state = initial as DeskState;
  let closed = false;
  const signals: { name: string; payload: unknown }[] = [];
  const calls = new Map<string, { scope: CancellationScope; ending?: Ending }>();
  setHandler(stateQuery, () => {
    if (state.status === 'speechless') throw new Error('no answer');
    return state;
  });
  setHandler(signalsQuery, () => signals);
  setHandler(stateSignal, (next) => void (state = next as DeskState));
  setHandler(closeSignal, () => void (closed = true));
  setHandler(cancelSignal, ({ id }) => calls.get(id)?.scope.cancel());
  setDefaultSignalHandler((name, payload) => {
    signals.push({ name, payload });
    // Who holds the attempt, as a bead counts it: the first claim.
    const { attempt, host } = payload as { attempt?: string; host?: string };
    const { current } = state;
    if (current?.id !== attempt || (current?.spawnedAt !== undefined && current.host !== host)) return;
    state = {
      ...state,
      current: {
        ...current,
        id: current?.id ?? '',
        host,
        lastSignAt: Date.now(),
        spawnedAt: current?.spawnedAt ?? (name === 'heartbeat' ? Date.now() : undefined),
      },
    };
  });
  setHandler(callUpdate, ({ id, activity, queue, input, heartbeatTimeout }) => {
    const scope = new CancellationScope();
    const call: { scope: CancellationScope; ending?: Ending } = { scope };
    calls.set(id, call);
    const activities = proxyActivities<Record<keyof Activities, (given: unknown) => Promise<unknown>>>({
      taskQueue: queue,
      startToCloseTimeout: '1 hour',
      retry: { maximumAttempts: 1 },
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
      heartbeatTimeout,
    });
    const run = scope.run(() => activities[activity](input));
    void run.then(
      (result) => void (call.ending = { kind: 'result', result }),
      (error: unknown) => void (call.ending = endingOf(error)),
    );
    return id;
  });
  setHandler(endingUpdate, async ({ id }) => {
    const call = calls.get(id);
    if (call === undefined) throw ApplicationFailure.nonRetryable(`no call ${id}`);
    await condition(() => call.ending !== undefined);
    return call.ending as Ending;
  });
  await condition(() => closed);
}

function endingOf(error: unknown): Ending {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure)
    return { kind: 'timeout', timeout: cause.timeoutType, lastDetails: cause.lastHeartbeatDetails as unknown };
  if (cause instanceof CancelledFailure) return { kind: 'cancelled', details: cause.details ?? [] };
  if (isCancellation(error)) return { kind: 'cancelled', details: [] };
  if (cause instanceof ApplicationFailure)
    return { kind: 'failure', type: cause.type ?? '', message: cause.message, details: cause.details ?? [] };
  return { kind: 'failure', type: 'unknown', message: String(error), details: [] };
}
