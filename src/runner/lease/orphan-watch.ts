import type { BeadView, Clocks } from '../../contract/index.js';
import type { BeadLink, Delivery } from './bead-link.js';
import type { Instant } from '../instant.js';
import type { Time } from '../time.js';
import { judgeOrphan, lookEvery, orphanEvery } from './lease.js';
import { Waker } from '../waker.js';

export interface OrphanWatchOptions {
  link: BeadLink;
  time: Time;
  clocks: Clocks;
  attempt: string;
  /** Sends the `orphan` signal. */
  ask(): Promise<Delivery>;
  /** The bead has counted the signal: the lease holds from `sentAt`. */
  onRenewed(sentAt: Instant): void;
  /** The attempt is not the bead's any more; undefined: the bead has ended. */
  onMovedOn(view: BeadView | undefined): void;
}

/**
 * What a runner without a valid token does until it is adopted: asks for that, renews its lease by it, and finds out
 * when the bead has moved on.
 */
export class OrphanWatch {
  #active = false;
  #running = true;
  readonly #waker: Waker;

  constructor(private readonly options: OrphanWatchOptions) {
    this.#waker = new Waker(options.time);
  }

  get orphan(): boolean {
    return this.#active;
  }

  /** The token was refused. */
  begin(): void {
    this.#active = true;
    this.#waker.wake();
  }

  /** There is a token again. */
  end(): void {
    this.#active = false;
  }

  async run(): Promise<void> {
    const { clocks } = this.options;
    while (this.#running) {
      if (!this.#active) await this.#waker.sleep();
      else if (await this.#askBead()) await this.#waker.sleep(orphanEvery(clocks));
      // Nobody answers: with the next tick it is tried again, since the lease runs.
      else await this.#waker.sleep(Math.min(lookEvery(clocks), orphanEvery(clocks)));
    }
  }

  stop(): void {
    this.#running = false;
    this.#waker.wake();
  }

  /** @returns whether the bead could be asked. */
  async #askBead(): Promise<boolean> {
    const { link, time, attempt, ask, onRenewed, onMovedOn } = this.options;
    const sentAt = time.now();
    const before = await link.view();
    if (before === 'unreachable') return false;
    const asked = before === 'ended' ? 'ended' : await ask();
    if (asked === 'unreachable') return false;
    const after = asked === 'ended' ? 'ended' : await link.view();
    if (after === 'unreachable') return false;
    if (!this.#active || !this.#running) return true;
    if (before === 'ended' || after === 'ended') {
      onMovedOn(undefined);
      return true;
    }
    const verdict = judgeOrphan(before, after, attempt);
    if (verdict === 'renewed') onRenewed(sentAt);
    else if (verdict === 'moved_on') onMovedOn(after);
    return true;
  }
}
