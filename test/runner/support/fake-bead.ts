/**
 * A bead for tests of the runner: keeps what it is told, answers `state` as the real one does, and does what the test
 * says. Runs in the sandbox.
 */
import * as wf from '@temporalio/workflow';
import type {
  AttemptResult,
  BeadView,
  CurrentAttempt,
  HeartbeatSignal,
  NoteSignal,
} from '../../../src/contract/index.js';

export interface FakeBeadInput {
  bead: string;
  attempt: string;
  heartbeatTimeout: number;
  /** Only by continue-as-new. */
  carried?: Carried;
}

export interface Carried {
  heard: (HeartbeatSignal & { at: number })[];
  notes: NoteSignal[];
  lastSignAt: number;
  host?: string;
  watches: number;
}

/**
 * What the test orders: `reissue` voids the token (continue-as-new), the others change what the bead says of itself.
 */
export type Order = 'reissue' | 'deaf' | 'hearing' | 'move-on' | 'stopping' | 'cancel' | 'pause' | 'resume' | 'end';

export interface FakeBeadResult {
  result?: AttemptResult;
  cancelledWith?: AttemptResult;
  carried: Carried;
}

export async function fakeBead(input: FakeBeadInput): Promise<FakeBeadResult> {
  const carried: Carried = input.carried ?? { heard: [], notes: [], lastSignAt: Date.now(), watches: 0 };
  const orders: Order[] = [];
  let deaf = false;
  let paused = false;
  let current: Partial<CurrentAttempt> | undefined = { id: input.attempt };
  let status = 'in_progress';

  wf.setHandler(wf.defineSignal<[HeartbeatSignal]>('heartbeat'), (signal) => {
    carried.heard.push({ ...signal, at: Date.now() });
    if (deaf || signal.attempt !== current?.id) return;
    carried.lastSignAt = Date.now();
    carried.host ??= signal.host;
  });
  wf.setHandler(wf.defineSignal<[NoteSignal]>('note'), (note) => void carried.notes.push(note));
  wf.setHandler(
    wf.defineQuery('state'),
    (): BeadView =>
      ({
        bead: input.bead,
        status,
        paused,
        now: Date.now(),
        heard: carried.heard,
        notes: carried.notes,
        watches: carried.watches,
        current: current ? { lastSignAt: carried.lastSignAt, host: carried.host, ...current } : undefined,
      }) as unknown as BeadView,
  );
  wf.setHandler(wf.defineUpdate<void, [Order]>('order'), (order) => void orders.push(order));

  carried.watches += 1;
  const scope = new wf.CancellationScope();
  let outcome: FakeBeadResult | undefined;
  const { startAgent: watched } = wf.proxyActivities<{ startAgent(key: string): Promise<AttemptResult> }>({
    startToCloseTimeout: '1h',
    heartbeatTimeout: input.heartbeatTimeout,
    retry: { maximumAttempts: 1 },
    cancellationType: wf.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const watch = async (): Promise<void> => {
    try {
      outcome = { result: await scope.run(() => watched(input.bead)), carried };
    } catch (error) {
      const cause = error instanceof wf.ActivityFailure ? error.cause : undefined;
      if (cause instanceof wf.CancelledFailure)
        outcome = { cancelledWith: cause.details?.[0] as AttemptResult, carried };
      else if (cause instanceof wf.TimeoutFailure) orders.push('reissue');
      else throw error;
    }
  };
  void watch();
  for (;;) {
    await wf.condition(() => outcome !== undefined || orders.length > 0);
    if (outcome !== undefined) return outcome;
    const order = orders.shift() as Order;
    switch (order) {
      case 'reissue':
        await wf.condition(wf.allHandlersFinished);
        return wf.continueAsNew<typeof fakeBead>({ ...input, carried });
      case 'deaf':
        deaf = true;
        break;
      case 'hearing':
        deaf = false;
        break;
      case 'move-on':
        current = { id: '9-another' };
        break;
      case 'stopping':
        current = {
          id: input.attempt,
          stopping: { outcome: 'stalled', reason: 'no progress for a test', at: Date.now() },
        };
        break;
      case 'cancel':
        scope.cancel();
        break;
      case 'pause':
        paused = true;
        break;
      case 'resume':
        paused = false;
        break;
      case 'end':
        status = 'closed';
        return { carried };
    }
  }
}
