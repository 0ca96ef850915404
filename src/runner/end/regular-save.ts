import type { Part } from '../part.js';
import { every } from '../time.js';
import type { Cancel, Time } from '../time.js';
import type { AttemptWork } from './attempt-work.js';

/** Saves the work every `checkpointEvery`, from the spawn to the end. */
export class RegularSave implements Part {
  #cancel: Cancel = () => undefined;

  constructor(
    private readonly work: AttemptWork,
    private readonly everyMs: number,
    private readonly time: Time,
  ) {}

  spawned(): void {
    this.#cancel = every(this.time, this.everyMs, () => void this.work.save());
  }

  recorded(): void {
    this.#cancel();
  }
}
