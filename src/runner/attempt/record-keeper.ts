import type { AttemptDir } from './attempt-dir.js';
import type { RunnerRecord } from '../types.js';

/** Keeps `runner.json` as the runner is: one write at a time, the newest wins, nothing is written twice. */
export class RecordKeeper {
  #written = '';
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly dir: Pick<AttemptDir, 'writeRunner'>,
    private record: RunnerRecord,
  ) {}

  get current(): Readonly<RunnerRecord> {
    return this.record;
  }

  /** Resolves when the change is in its file. @throws Error when the disk does not take it. */
  update(change: Partial<RunnerRecord>): Promise<void> {
    this.record = { ...this.record, ...change };
    // What failed before is not this write's failure: it writes the whole record anyway.
    const next = this.#writing
      .catch(() => undefined)
      .then(async () => {
        const record = this.record;
        const text = JSON.stringify(record);
        if (text === this.#written) return;
        await this.dir.writeRunner(record);
        this.#written = text;
      });
    this.#writing = next;
    return next;
  }
}
