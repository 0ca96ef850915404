import type { BeatDetails, Clocks } from '../../contract/index.js';
import type { BeadLink } from './bead-link.js';
import type { Instant } from '../instant.js';
import type { Time } from '../time.js';
import { beatDeadline, nextBeatAfter } from './lease.js';
import type { BeatAnswer } from './lease.js';
import { Waker } from '../waker.js';

export interface BeaterOptions {
  link: BeadLink;
  time: Time;
  clocks: Clocks;
  details(): BeatDetails;
  /** Hears of every answer to a beat with the token in use. */
  onAnswer(answer: BeatAnswer, sentAt: Instant): void;
}

/**
 * The process clock: a beat every `beatEvery` with the token in use, none without one. One that nobody has answered is
 * repeated sooner.
 */
export class Beater {
  #token: Uint8Array | undefined;
  readonly #waker: Waker;
  #running = true;

  constructor(private readonly options: BeaterOptions) {
    this.#waker = new Waker(options.time);
  }

  /** Goes on with another token; undefined: waits for one. */
  use(token: Uint8Array | undefined): void {
    this.#token = token;
    this.#waker.wake();
  }

  /** Beats until {@link stop}. */
  async run(): Promise<void> {
    const { time, clocks, onAnswer } = this.options;
    while (this.#running) {
      const token = this.#token;
      if (token === undefined) {
        await this.#waker.sleep();
        continue;
      }
      const sentAt = time.now();
      const answer = await this.try(token);
      // An answer to a token that was replaced meanwhile says nothing about the one in use.
      if (this.#running && token === this.#token) onAnswer(answer, sentAt);
      await this.#waker.sleep(Math.max(0, nextBeatAfter(answer, clocks) - (time.now().mono - sentAt.mono)));
    }
  }

  /**
   * One beat with a token that is not in use yet.
   * @param link a way to the server that is not in use yet either.
   */
  try(token: Uint8Array, link: BeadLink = this.options.link): Promise<BeatAnswer> {
    return link.beat(token, this.options.details(), beatDeadline(this.options.clocks));
  }

  stop(): void {
    this.#running = false;
    this.#waker.wake();
  }
}
