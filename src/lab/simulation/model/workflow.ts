import type { ModelTown } from './town.js';

/** What a rig and a convoy of the model have in common: one task after all that happens at an instant, and timers. */
export abstract class ModelWorkflow {
  /** Keys of what is under way. */
  protected readonly busy = new Set<string>();
  /** Changes of the state since the last renewal. */
  protected changes = 0;
  #due = false;
  #looking = false;

  constructor(
    protected readonly town: ModelTown,
    readonly workflowId: string,
  ) {}

  /** Its workflow has ended, and takes no word any more. */
  abstract get gone(): boolean;
  abstract receive(name: string, payload: unknown): void;
  /** One workflow task: whatever the state asks for is begun, unless it is under way. */
  protected abstract goOn(): void;

  protected wake(): void {
    if (this.#due) return;
    this.#due = true;
    this.town.clock.at(this.town.clock.now(), () =>
      this.town.whenThere(() => {
        this.#due = false;
        if (!this.gone) this.goOn();
      }),
    );
  }

  /** What takes Temporal or a worker so long. */
  protected after(ms: number, run: () => void): void {
    this.town.clock.after(ms, () => this.town.whenThere(run));
  }

  /** Reads the remote, again and again while it is away, with growing distance. */
  protected onceRemoteAnswers(run: () => void, nth = 1): void {
    this.after(nth === 1 ? 100 : Math.min(1_000 * 2 ** nth, 60_000), () =>
      this.town.remote.away ? this.onceRemoteAnswers(run, nth + 1) : run(),
    );
  }

  protected done(key: string): void {
    this.busy.delete(key);
    this.wake();
  }

  /** Asks the server from time to time which of these workflows have ended. */
  protected lookAgainEvery(
    ms: number,
    of: () => readonly string[],
    gone: (ended: string[], askedAt: number) => void,
  ): void {
    if (this.#looking || of().length === 0) return;
    this.#looking = true;
    this.after(ms, () => {
      const askedAt = this.town.clock.now();
      const asked = of();
      this.after(20, () => {
        this.#looking = false;
        const ended = asked.filter((workflowId) => !this.town.lives(workflowId));
        if (ended.length > 0 && !this.gone) gone(ended, askedAt);
        this.wake();
      });
    });
  }
}
