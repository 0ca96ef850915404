import { freezeProcesses, thawProcesses } from './end-processes.js';
import type { AttemptProcesses } from './end-processes.js';
import type { FreezeReason } from '../types.js';

/** Lets the agent's processes stand still while there is a reason for it, and run when the last one is gone. */
export class Freezer {
  readonly #reasons = new Set<FreezeReason>();

  constructor(
    private readonly processes: () => AttemptProcesses,
    /** Called when the reasons have changed, after the processes were stopped or continued. */
    private readonly onChange: () => void,
  ) {}

  /** @returns whether it was news. */
  freeze(reason: FreezeReason): boolean {
    if (this.#reasons.has(reason)) return false;
    this.#reasons.add(reason);
    if (this.#reasons.size === 1) freezeProcesses(this.processes());
    this.onChange();
    return true;
  }

  /** @returns whether it was news. */
  thaw(reason: FreezeReason): boolean {
    if (!this.#reasons.delete(reason)) return false;
    if (this.#reasons.size === 0) thawProcesses(this.processes());
    this.onChange();
    return true;
  }

  /** Stops processes that have come up since. */
  apply(): void {
    if (this.#reasons.size > 0) freezeProcesses(this.processes());
  }

  has(reason: FreezeReason): boolean {
    return this.#reasons.has(reason);
  }

  list(): FreezeReason[] {
    return [...this.#reasons];
  }

  /** The processes are to be ended: they get a signal to go on with that, and stay free. */
  dissolve(): void {
    this.#reasons.clear();
  }
}
