import { Context } from '@temporalio/activity';
import {
  ActivityCancelledError,
  ActivityNotFoundError,
  ActivityPausedError,
  ActivityResetError,
} from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../client/deadline.js';
import type { BeatDetails, BeatPhase, Outcome } from '../../contract/index.js';

/** Why a `startAgent` call may not go on. */
export type Interruption =
  /** The bead cancels the attempt. */
  | { why: 'cancelled' }
  /** `stopAttempt` on this host ends it. */
  | { why: 'stopped'; outcome: Outcome; reason: string }
  /** A newer call for the same attempt goes on with it. */
  | { why: 'superseded' }
  /**
   * The server does not count on this call any more (timed out, reset, unknown): somebody else may hold the attempt.
   */
  | { why: 'gone' }
  /** The worker shuts down: the attempt waits for its next one. */
  | { why: 'shutdown' };

export class StartInterrupted extends Error {
  constructor(readonly interruption: Interruption) {
    super(`startAgent was interrupted: ${interruption.why}`);
    this.name = 'StartInterrupted';
  }
}

/** A single request; its answer takes milliseconds when the server is well. */
const requestWithin = 10_000;
const askAgainAfter = 1_000;

/**
 * One `startAgent` call's hold on the attempt until the runner has it: beats from the first moment on, and the news of
 * all that ends the hold.
 *
 * Two ways to beat: `Context.heartbeat` (coalesced by the SDK, brings cancellation), and {@link confirm}, whose answer
 * is waited for: only that one proves that the token is still valid.
 */
export class StartLease {
  readonly #context = Context.current();
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly token = this.#context.info.taskToken;
  #details: BeatDetails;
  #quiet = false;
  #checking = false;

  constructor(
    private readonly client: Client,
    { host, attempt, beatEvery }: { host: string; attempt: string; beatEvery: number },
  ) {
    this.#details = { host, attempt, phase: 'accepted', text: `taken by ${host}` };
    this.#beat();
    // Beats come from the process that waits for git and the adapter: their steps end when their processes do, and the
    // beats end with them.
    this.#timer = setInterval(() => this.#beat(), beatEvery);
    const { cancellationSignal } = this.#context;
    if (cancellationSignal.aborted) this.#cancelled();
    else cancellationSignal.addEventListener('abort', this.#cancelled, { once: true });
  }

  /** Aborted with a {@link StartInterrupted} as soon as this call may not go on. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get taskQueue(): string {
    return this.#context.info.taskQueue;
  }

  /**
   * The server itself has told this call of a cancellation (and not only an answer to {@link confirm}): it may end as
   * cancelled.
   */
  get toldToCancel(): boolean {
    return this.#context.cancellationDetails?.cancelRequested === true;
  }

  /** Tells the server and the Web UI how far it is. */
  say(phase: BeatPhase, text: string): void {
    if (this.#details.phase === phase && this.#details.text === text) return;
    this.#details = { ...this.#details, phase, text };
    this.#beat();
  }

  interrupt(cause: Interruption): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(new StartInterrupted(cause));
  }

  /**
   * Resolves once the server has accepted a beat of this very token, and nobody has paused the activity. Waits as long
   * as either takes.
   * @throws StartInterrupted
   */
  async confirm(): Promise<void> {
    while (!(await this.#ask()))
      await sleep(askAgainAfter, undefined, { signal: this.signal }).catch(() => this.signal.throwIfAborted());
    this.signal.throwIfAborted();
  }

  /** From now on the runner beats: one voice per token, or the older word could overwrite the newer one. */
  quiet(): void {
    this.#quiet = true;
  }

  /** The handover did not take place: this call has the word again. */
  resume(): void {
    this.#quiet = false;
    this.#beat();
  }

  end(): void {
    this.#quiet = true;
    clearInterval(this.#timer);
    this.#context.cancellationSignal.removeEventListener('abort', this.#cancelled);
  }

  #beat(): void {
    if (this.#quiet) return;
    this.#context.heartbeat(this.#details);
    // A pause uses up the one cancellation that the SDK can tell an activity of: whatever follows must be asked for.
    if (this.#context.cancellationDetails?.paused === true && !this.#checking) {
      this.#checking = true;
      void this.#ask().finally(() => (this.#checking = false));
    }
  }

  /** @returns whether a beat was accepted from an activity that is not paused. */
  async #ask(): Promise<boolean> {
    this.signal.throwIfAborted();
    try {
      await within(this.client, requestWithin, () => this.client.activity.heartbeat(this.token, this.#details));
      return true;
    } catch (error) {
      if (error instanceof ActivityCancelledError) this.interrupt({ why: 'cancelled' });
      else if (error instanceof ActivityNotFoundError || error instanceof ActivityResetError)
        this.interrupt({ why: 'gone' });
      else if (error instanceof ActivityPausedError)
        this.say(this.#details.phase, 'paused in the Web UI before an agent was started');
      else this.#context.log.warn('a beat of startAgent was not answered; it is tried again', { error });
      return false;
    }
  }

  readonly #cancelled = (): void => {
    const details = this.#context.cancellationDetails;
    // The SDK's own shutdown may come without details.
    if (
      details?.workerShutdown === true ||
      (this.#context.cancellationSignal.reason as Error | undefined)?.message === 'WORKER_SHUTDOWN'
    )
      this.interrupt({ why: 'shutdown' });
    else if (details?.cancelRequested === true) this.interrupt({ why: 'cancelled' });
    // Paused: the preparation goes on, the spawn waits (see confirm).
    else if (details?.paused !== true) this.interrupt({ why: 'gone' });
  };
}
