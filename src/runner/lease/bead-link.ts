import {
  ActivityCancelledError,
  ActivityNotFoundError,
  ActivityPausedError,
  ActivityResetError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { beadWorkflowId, messages } from '../../contract/index.js';
import type { AttemptResult, BeadView, BeatDetails, HeartbeatSignal, NoteSignal } from '../../contract/index.js';
import { sameConnection } from './connection.js';
import type { LineClient, RunnerLine } from './connection.js';
import type { BeatAnswer } from './lease.js';
import type { Time } from '../time.js';
import type { RunnerConnection } from '../types.js';

/** What became of a signal or a question. `ended`: there is no such bead any more. */
export type Delivery = 'delivered' | 'ended' | 'unreachable';
/** What became of the report of a result. `refused`: the token is void. */
export type ReportAnswer = 'reported' | 'refused' | 'unreachable';

/** A signal or a question that takes longer tells us nothing that a later one would not. */
const callWithinMs = 10_000;

/** Longer than any call that may be under way. */
const leftOpenMs = 60_000;

/**
 * The runner's way to the server. Nothing here throws for what a network does: every answer is one of a few words, and
 * what nobody can tell is `unreachable`. Every call has a deadline, since without one it would wait for ever.
 */
export class BeadLink {
  constructor(
    private line: RunnerLine,
    private readonly bead: string,
    /** Hears of every failure that is answered by `unreachable`. */
    private readonly onTrouble: (what: string, error: unknown) => void,
    private readonly time: Time,
    private readonly dial: (record: RunnerConnection) => RunnerLine = () => {
      throw new Error('this link cannot connect anew');
    },
  ) {}

  #hungUp = false;

  get #client(): LineClient {
    return this.line.client;
  }

  /** @returns another link to the same bead, not in use yet; undefined when that is the way already in use. */
  redial(record: RunnerConnection): BeadLink | undefined {
    if (sameConnection(record, this.line.record)) return undefined;
    return new BeadLink(this.dial(record), this.bead, this.onTrouble, this.time);
  }

  /** Everything that follows goes over the other link's connection. @returns false when that was hung up before. */
  use(other: BeadLink): boolean {
    if (other.#hungUp) return false;
    const { line } = this;
    this.line = other.line;
    this.#leave(line);
    return true;
  }

  /** This link is not going to be used. */
  hangUp(): void {
    this.#hungUp = true;
    this.#leave(this.line);
  }

  /** Ends the connection. At the very end of the runner this is the last act. */
  close(): Promise<void> {
    return this.line.close();
  }

  /**
   * Not at once: the SDK's client would try a call that is under way again on the closed channel, and fail outside of
   * everything.
   */
  #leave(line: RunnerLine): void {
    this.time.timer(leftOpenMs, () => {
      line.close().catch((error: unknown) => this.onTrouble('closing a connection', error));
    });
  }

  async beat(token: Uint8Array, details: BeatDetails, deadlineMs: number): Promise<BeatAnswer> {
    try {
      await this.#within(deadlineMs, () => this.#client.activity.heartbeat(token, details));
      return 'recorded';
    } catch (error) {
      if (error instanceof ActivityPausedError) return 'paused';
      if (error instanceof ActivityCancelledError) return 'cancelled';
      // An operator's Reset: the token is still answered, but its activity is to begin anew. By adoption it does, with
      // the same agent.
      if (error instanceof ActivityNotFoundError || error instanceof ActivityResetError) return 'refused';
      this.onTrouble('beat', error);
      return 'unreachable';
    }
  }

  signal(payload: HeartbeatSignal): Promise<Delivery> {
    return this.#deliver(messages.heartbeat, payload);
  }

  note(payload: NoteSignal): Promise<Delivery> {
    return this.#deliver(messages.note, payload);
  }

  /** @returns the bead's state, or why it cannot be had. */
  async view(): Promise<BeadView | Exclude<Delivery, 'delivered'>> {
    try {
      return await this.#within(callWithinMs, () => this.#handle().query<BeadView>(messages.state));
    } catch (error) {
      return this.#failed(messages.state, error);
    }
  }

  complete(token: Uint8Array, result: AttemptResult): Promise<ReportAnswer> {
    return this.#report('complete', () => this.#client.activity.complete(token, result));
  }

  reportCancellation(token: Uint8Array, result: AttemptResult): Promise<ReportAnswer> {
    return this.#report('reportCancellation', () => this.#client.activity.reportCancellation(token, result));
  }

  async #report(what: string, call: () => Promise<void>): Promise<ReportAnswer> {
    try {
      await this.#within(callWithinMs, call);
      return 'reported';
    } catch (error) {
      if (error instanceof ActivityNotFoundError) return 'refused';
      this.onTrouble(what, error);
      return 'unreachable';
    }
  }

  async #deliver(name: string, payload: HeartbeatSignal | NoteSignal): Promise<Delivery> {
    try {
      await this.#within(callWithinMs, () => this.#handle().signal(name, payload));
      return 'delivered';
    } catch (error) {
      return this.#failed(name, error);
    }
  }

  #failed(what: string, error: unknown): Exclude<Delivery, 'delivered'> {
    if (error instanceof WorkflowNotFoundError) return 'ended';
    this.onTrouble(what, error);
    return 'unreachable';
  }

  #handle(): ReturnType<LineClient['workflow']['getHandle']> {
    return this.#client.workflow.getHandle(beadWorkflowId(this.bead));
  }

  #within<T>(ms: number, call: () => Promise<T>): Promise<T> {
    return this.#client.withDeadline(Date.now() + ms, call);
  }
}
