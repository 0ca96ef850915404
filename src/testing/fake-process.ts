import type { Clock } from './clock.js';

/**
 * A process on a fake host: what it had in mind happens late when it was stopped meanwhile, and never when it was
 * killed.
 */
export class FakeProcess {
  #state: 'running' | 'stopped' | 'dead' = 'running';
  readonly #backlog: (() => unknown)[] = [];

  constructor(
    private readonly clock: Clock,
    /** Resolves when all that an instant has set going has come to rest. Absent when the clock sees to that. */
    private readonly rest?: () => Promise<void>,
  ) {}

  get running(): boolean {
    return this.#state === 'running';
  }

  get alive(): boolean {
    return this.#state !== 'dead';
  }

  /** @returns a function that takes it back. */
  at(instant: number, run: () => unknown): () => void {
    if (!this.alive) return () => undefined;
    let wanted = true;
    const act = (): unknown => {
      if (!wanted || this.#state === 'dead') return undefined;
      if (this.#state === 'stopped') return this.#backlog.push(act);
      return this.rest === undefined ? run() : this.#runToRest(run, this.rest);
    };
    const cancel = this.clock.at(instant, act);
    return () => {
      wanted = false;
      cancel();
    };
  }

  async #runToRest(run: () => unknown, rest: () => Promise<void>): Promise<void> {
    await run();
    await rest();
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** SIGCONT: all that was due happens now. */
  continue(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const run of this.#backlog.splice(0)) this.clock.at(this.clock.now(), run);
  }

  /** SIGKILL. */
  kill(): void {
    this.#state = 'dead';
    this.#backlog.length = 0;
  }
}
