import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import { ActivityFailure, CancelledFailure, TimeoutFailure } from '@temporalio/common';
import type { Clock, TaskInHand } from '../../../testing/index.js';
import { nothingDone } from './clock.js';

export interface ActivityOptions {
  type: string;
  input: unknown;
  queue: string;
  /** Milliseconds; none without. */
  heartbeatTimeout?: number;
  scheduleToStart?: number;
  /** Hears of each accepted beat. */
  onBeat?: (details: unknown) => void;
}

/**
 * An activity as Temporal keeps it: timed out by its heartbeat or before its start, cancelled by request, closed once.
 * One try.
 */
export class ModelActivity implements TaskInHand {
  readonly type: string;
  readonly input: unknown;
  readonly queue: string;
  readonly activity = { cancelRequested: false };
  #state: 'waiting' | 'taken' | 'closed' = 'waiting';
  #details: unknown;
  #beatenAt = 0;
  readonly #heartbeatTimeout: number | undefined;
  readonly #onBeat: ((details: unknown) => void) | undefined;
  #disarm: () => void = () => undefined;

  /** @param onEnd called once, with the result or the failure that a workflow sees. */
  constructor(
    private readonly temporal: { readonly clock: Clock; whenThere(run: () => unknown): unknown },
    options: ActivityOptions,
    private readonly onEnd: (end: { result: unknown } | { failure: ActivityFailure }) => void,
  ) {
    this.type = options.type;
    this.input = options.input;
    this.queue = options.queue;
    this.#heartbeatTimeout = options.heartbeatTimeout;
    this.#onBeat = options.onBeat;
    const { scheduleToStart } = options;
    if (scheduleToStart !== undefined)
      this.#disarm = this.#at(temporal.clock.now() + scheduleToStart, () =>
        this.#fail(new TimeoutFailure('not taken up', undefined, 'SCHEDULE_TO_START')),
      );
  }

  get waiting(): boolean {
    return this.#state === 'waiting';
  }

  /** A worker has it in its hands. */
  take(): void {
    this.#state = 'taken';
    this.#disarm();
    this.#beatenAt = this.temporal.clock.now();
    this.#watch();
  }

  /** The workflow asks for its end; one that nobody has taken ends at once. */
  cancel(): void {
    if (this.activity.cancelRequested || this.#state === 'closed') return;
    this.activity.cancelRequested = true;
    if (this.#state === 'waiting') this.#fail(new CancelledFailure('cancelled before its start'));
  }

  complete(result: unknown): Promise<void> {
    return this.#answer(() => this.#close(() => this.onEnd({ result })));
  }

  fail(error: Error): Promise<void> {
    return this.#answer(() => this.#fail(error));
  }

  reportCancellation(details: unknown): Promise<void> {
    return this.#answer(() => this.#fail(new CancelledFailure('cancelled', [details])));
  }

  beat(details: unknown): Promise<void> {
    return this.#answer(() => {
      this.#beatenAt = this.temporal.clock.now();
      this.#details = details;
      this.#onBeat?.(details);
      if (this.activity.cancelRequested) throw new ActivityCancelledError('cancelled');
    });
  }

  #at(instant: number, run: () => unknown): () => void {
    return this.temporal.clock.at(instant, () =>
      this.temporal.whenThere(() => {
        // It may have been taken, or answered, at the very moment of the return.
        return this.#state === 'closed' ? nothingDone : run();
      }),
    );
  }

  /** One appointment that looks again, however many beats there are. */
  #watch(): void {
    if (this.#heartbeatTimeout === undefined) return;
    const due = this.#beatenAt + this.#heartbeatTimeout;
    this.#disarm = this.#at(due, () => {
      if (this.temporal.clock.now() < this.#beatenAt + (this.#heartbeatTimeout ?? 0)) {
        this.#watch();
        return nothingDone;
      }
      this.#fail(new TimeoutFailure('no heartbeat', this.#details, 'HEARTBEAT'));
      return undefined;
    });
  }

  async #answer(run: () => void): Promise<void> {
    if (this.#state === 'closed') throw new ActivityNotFoundError('no such activity');
    run();
  }

  #fail(cause: Error): void {
    this.#close(() =>
      this.onEnd({
        failure: new ActivityFailure(
          'Activity task failed',
          this.type,
          '1',
          'MAXIMUM_ATTEMPTS_REACHED',
          undefined,
          cause,
        ),
      }),
    );
  }

  #close(tell: () => void): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#disarm();
    tell();
  }
}
