import type { NoteSignal } from '../../contract/index.js';
import type { BeadLink } from '../lease/bead-link.js';
import type { Instant } from '../instant.js';
import { elapsed } from '../instant.js';
import type { Time } from '../time.js';
import type { Part } from '../part.js';
import { Waker } from '../waker.js';

/** Every note is a signal and stays in history: a burst of so many, and one more per minute. */
const burst = 20;
const anotherAfterMs = 60_000;

/** Sends the agent's notes and calls for help to the bead, in order, and keeps them until the server has taken them. */
export class NoteQueue implements Part {
  readonly #waiting: NoteSignal[] = [];
  readonly #waker: Waker;
  readonly #retry: Waker;
  #running = true;
  #flushing: Promise<boolean> | undefined;
  #left = burst;
  #countedAt: Instant;

  constructor(
    private readonly link: Pick<BeadLink, 'note'>,
    private readonly retryEveryMs: number,
    private readonly time: Time,
  ) {
    this.#waker = new Waker(time);
    this.#retry = new Waker(time);
    this.#countedAt = time.now();
  }

  /** @returns whether there was room. An escalation always finds some. */
  push(note: NoteSignal): boolean {
    const now = this.time.now();
    this.#left = Math.min(burst, this.#left + elapsed(this.#countedAt, now) / anotherAfterMs);
    this.#countedAt = now;
    if (note.kind === 'note') {
      if (this.#left < 1) return false;
      this.#left -= 1;
    }
    this.#waiting.push(note);
    this.#waker.wake();
    return true;
  }

  /** Sends until {@link reported}. */
  async spawned(): Promise<void> {
    while (this.#running) {
      if (this.#waiting.length === 0) await this.#waker.sleep();
      else if (!(await this.flush())) await this.#retry.sleep(this.retryEveryMs);
    }
  }

  /**
   * Tries to send all that waits; whoever asks while somebody sends waits for that one, so that nothing is sent twice.
   * @returns whether nothing is left.
   */
  flush(): Promise<boolean> {
    this.#flushing ??= this.#sendAll().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #sendAll(): Promise<boolean> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if ((await this.link.note(next)) === 'unreachable') return false;
      this.#waiting.shift();
    }
    return true;
  }

  reported(): void {
    this.#running = false;
    this.#waker.wake();
    this.#retry.wake();
  }
}
