import type { Part } from '../part.js';
import type { AttemptProcesses } from './end-processes.js';
import type { ProcessControl } from './process-control.js';
import type { FreezeReason } from '../types.js';

/** Lets the agent's processes stand still while there is a reason for it, and run when the last one is gone. */
export class Freezer implements Part {
  readonly #reasons = new Set<FreezeReason>();

  constructor(
    private readonly control: ProcessControl,
    private readonly processes: () => AttemptProcesses,
    /** Called when the reasons have changed, after the processes were stopped or continued. */
    private readonly onChange: () => void,
  ) {}

  /** @returns whether it was news. */
  freeze(reason: FreezeReason): boolean {
    if (this.#reasons.has(reason)) return false;
    this.#reasons.add(reason);
    if (this.#reasons.size === 1) this.control.freeze(this.processes());
    this.onChange();
    return true;
  }

  /** @returns whether it was news. */
  thaw(reason: FreezeReason): boolean {
    if (!this.#reasons.delete(reason)) return false;
    if (this.#reasons.size === 0) this.control.thaw(this.processes());
    this.onChange();
    return true;
  }

  /** What was asked for between fence and spawn. */
  spawned(): void {
    if (this.#reasons.size > 0) this.control.freeze(this.processes());
  }

  /** What was asked for while no agent ran. */
  answered(): void {
    this.spawned();
  }

  has(reason: FreezeReason): boolean {
    return this.#reasons.has(reason);
  }

  list(): FreezeReason[] {
    return [...this.#reasons];
  }

  /** The processes are to be ended: they get a signal to go on with that, and stay free. */
  ending(): void {
    this.#reasons.clear();
  }
}
