import { ApplicationFailure, Context } from '@temporalio/activity';
import { durationText } from '../../domain/words.js';
import { refineryFailures } from './failures.js';

/** Details of a merge's heartbeats: small, and readable in the Web UI's pending activities. */
export interface MergeBeatDetails {
  host: string;
  item: string;
  /** `check test: running 40s`. */
  text: string;
  /** Where the full output of the checks is, on that host. */
  log?: string;
}

/** 5 s: a person who watches sees it move, and any reasonable heartbeat timeout has room for several. */
const beatEvery = 5_000;

/** Says on the server what a merge is doing, from its first moment to its last. */
export class MergeBeats {
  readonly #context = Context.current();
  readonly #timer: NodeJS.Timeout;
  #beatAt = Date.now();
  #text: () => string;
  #log: string | undefined;

  constructor(private readonly who: { host: string; item: string }) {
    this.#text = () => `taken by ${who.host}`;
    this.#beat();
    this.#timer = setInterval(() => this.#beat(), beatEvery);
  }

  say(text: string): void {
    this.#text = () => text;
    this.#beat();
  }

  /** Says what goes on and for how long by now. */
  sayRunning(text: string, log: string): void {
    const since = performance.now();
    this.#log = log;
    this.#text = () => {
      const seconds = Math.floor((performance.now() - since) / 1_000);
      return seconds === 0 ? `${text} begins` : `${text}: running ${durationText(seconds * 1_000)}`;
    };
    this.#beat();
  }

  /**
   * A host that slept (a stopped process, a suspended machine) for longer than the heartbeat timeout has been given up
   * on: somebody else may have this merge by now, or it may have been withdrawn. The SDK finds that out a moment after
   * waking up; here it is known at once.
   * @throws ApplicationFailure, upon which the server tries again if it still wants the merge.
   */
  confirm(): void {
    const silent = Date.now() - this.#beatAt;
    const timeout = this.#context.info.heartbeatTimeoutMs;
    if (timeout === undefined || silent <= timeout) return;
    throw ApplicationFailure.retryable(
      `host ${this.who.host} was asleep for ${durationText(silent)}: the merge begins again`,
      refineryFailures.unreachable,
    );
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const details: MergeBeatDetails = {
      ...this.who,
      text: this.#text(),
      log: this.#log,
    };
    this.#context.heartbeat(details);
    this.#beatAt = Date.now();
  }
}
