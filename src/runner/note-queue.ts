import type { NoteSignal } from '../contract/index.js';
import type { BeadLink } from './bead-link.js';
import { Waker } from './waker.js';

/** Every note is a signal and stays in history: a burst of so many, and one more per minute. */
const BURST = 20;
const ANOTHER_AFTER_MS = 60_000;

/** Sends the agent's notes and calls for help to the bead, in order, and keeps them until the server has taken them. */
export class NoteQueue {
  private readonly waiting: NoteSignal[] = [];
  private readonly waker = new Waker();
  private readonly retry = new Waker();
  private running = true;
  private flushing: Promise<boolean> | undefined;
  private left = BURST;
  private countedAt = performance.now();

  constructor(
    private readonly link: BeadLink,
    private readonly retryEveryMs: number,
  ) {}

  /** @returns whether there was room. An escalation always finds some. */
  push(note: NoteSignal): boolean {
    const now = performance.now();
    this.left = Math.min(BURST, this.left + (now - this.countedAt) / ANOTHER_AFTER_MS);
    this.countedAt = now;
    if (note.kind === 'note') {
      if (this.left < 1) return false;
      this.left -= 1;
    }
    this.waiting.push(note);
    this.waker.wake();
    return true;
  }

  /** Sends until {@link stop}. */
  async run(): Promise<void> {
    while (this.running) {
      if (this.waiting.length === 0) await this.waker.sleep();
      else if (!(await this.flush())) await this.retry.sleep(this.retryEveryMs);
    }
  }

  /**
   * Tries to send all that waits; whoever asks while somebody sends waits for that one, so that nothing is sent twice.
   * @returns whether nothing is left.
   */
  flush(): Promise<boolean> {
    this.flushing ??= this.sendAll().finally(() => (this.flushing = undefined));
    return this.flushing;
  }

  private async sendAll(): Promise<boolean> {
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      if ((await this.link.note(next)) === 'unreachable') return false;
      this.waiting.shift();
    }
    return true;
  }

  stop(): void {
    this.running = false;
    this.waker.wake();
    this.retry.wake();
  }
}
