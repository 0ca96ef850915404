import type { AttemptDir } from '../runner/index.js';

export interface TidyingOptions {
  /** Removes what an attempt that has ended needs no more. @returns whether nothing is left to be done. */
  tidy: (dir: AttemptDir) => Promise<boolean>;
  /** Hears why it did not work; it is tried again. */
  onTrouble: (dir: AttemptDir, error: unknown) => void;
  /** Milliseconds until the first try; each next one waits half as long again, at most ten minutes. */
  after: number;
}

/** A bead that waits for a person keeps its newest worktree for days: it is asked no more often than this. */
const atMostEvery = 10 * 60_000;

/**
 * What attempts that have ended leave on this host, one after the other and beside everything else: a slow remote must
 * keep nobody waiting.
 */
export class Tidying {
  readonly #left = new Map<string, { dir: AttemptDir; wait: number; at: number }>();
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(private readonly options: TidyingOptions) {}

  /** An attempt has ended. */
  add(dir: AttemptDir): void {
    const { after } = this.options;
    if (!this.#left.has(dir.path)) this.#left.set(dir.path, { dir, wait: after, at: performance.now() + after });
  }

  /** Begins with what is due, unless it is at it already. */
  beginDue(): void {
    const due = [...this.#left.values()].filter(({ at }) => at <= performance.now());
    if (due.length === 0 || this.#stopped) return;
    this.#running ??= this.#work(due).finally(() => (this.#running = undefined));
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #work(due: { dir: AttemptDir; wait: number; at: number }[]): Promise<void> {
    for (const entry of due) {
      if (this.#stopped) return;
      try {
        if (await this.options.tidy(entry.dir)) {
          this.#left.delete(entry.dir.path);
          continue;
        }
      } catch (error) {
        this.options.onTrouble(entry.dir, error);
      }
      entry.wait = Math.min(entry.wait * 1.5, atMostEvery);
      entry.at = performance.now() + entry.wait;
    }
  }
}
