import { Context } from '@temporalio/activity';
import prettyMs from 'pretty-ms';

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
      return seconds === 0 ? `${text} begins` : `${text}: running ${prettyMs(seconds * 1_000)}`;
    };
    this.#beat();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const details: MergeBeatDetails = { ...this.who, text: this.#text(), ...(this.#log === undefined ? {} : { log: this.#log }) };
    this.#context.heartbeat(details);
  }
}
