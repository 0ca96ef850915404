import { nextOutput } from './agent-script.js';
import type { AgentPlan } from './agent-script.js';
import type { Clock } from './clock.js';

/** A scripted agent's process: a clock of its own that stands still while it is stopped. */
export class FakeAgent {
  #ranBefore = 0;
  #runningSince: number | undefined;
  #wokenAt: number | undefined;
  #ended = false;

  constructor(
    private readonly clock: Clock,
    readonly plan: AgentPlan,
  ) {
    this.#runningSince = clock.now();
  }

  get alive(): boolean {
    return !this.#ended;
  }

  get stopped(): boolean {
    return this.#runningSince === undefined;
  }

  /** SIGSTOP. */
  stop(): void {
    this.#ranBefore = this.#age();
    this.#runningSince = undefined;
  }

  /** SIGCONT. */
  continue(): void {
    this.#runningSince ??= this.clock.now();
  }

  end(): void {
    if (this.alive && !this.stopped) this.stop();
    this.#ended = true;
  }

  /** A message arrived: an agent that heeds it has something to say a second later. */
  hear(): void {
    if (this.plan.heedsMessages) this.#wokenAt = this.#age();
  }

  /** @returns the instant of its first output after `since`, if it runs on undisturbed; undefined for none. */
  speaksAfter(since: number): number | undefined {
    if (!this.alive || this.#runningSince === undefined) return undefined;
    const age = this.#age();
    const sinceAge = Math.max(0, age - (this.clock.now() - since));
    const own = nextOutput(this.plan, sinceAge);
    const heeding =
      this.#wokenAt === undefined
        ? Infinity
        : nextOutput(
            { ...this.plan, firstOutput: this.#wokenAt + 1_000, silence: { from: Infinity, until: Infinity } },
            sinceAge,
          );
    return this.#instantOf(Math.min(own, heeding));
  }

  /** @returns the instant at which it ends by itself, if it runs on undisturbed. */
  endsAt(): number | undefined {
    return this.alive && this.#runningSince !== undefined ? this.#instantOf(this.plan.works) : undefined;
  }

  #age(): number {
    return this.#ranBefore + (this.#runningSince === undefined ? 0 : this.clock.now() - this.#runningSince);
  }

  #instantOf(age: number): number | undefined {
    if (age === Infinity || this.#runningSince === undefined) return undefined;
    return Math.max(this.#runningSince + (age - this.#ranBefore), this.clock.now());
  }
}
