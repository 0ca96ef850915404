import type { Part } from '../part.js';
import type { Cancel, Time } from '../time.js';

/** Ends an agent that has reported done and does not end by itself. */
export class LastWordWatch implements Part {
  #cancel: Cancel | undefined;

  constructor(
    private readonly withinMs: number,
    private readonly time: Time,
    private readonly tooLong: () => void,
  ) {}

  /** The agent has reported that it is done. */
  done(): void {
    this.#cancel ??= this.time.timer(this.withinMs, this.tooLong);
  }

  ending(): void {
    this.#cancel?.();
  }
}
