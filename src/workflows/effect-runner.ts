import { condition } from '@temporalio/workflow';

/**
 * Carries out what a state asks for besides the main loop of its workflow: each effect by its key, and each key once at
 * a time. An error that an effect does not handle is a bug, and comes out of `orWhen`.
 */
export class EffectRunner {
  readonly #underWay = new Set<string>();
  #error: { error: unknown } | undefined;
  #ended = 0;

  /** Begins an effect unless it is under way. */
  begin(key: string, effect: () => Promise<void>): void {
    if (this.#underWay.has(key)) return;
    this.#underWay.add(key);
    void this.#run(key, effect);
  }

  async #run(key: string, effect: () => Promise<void>): Promise<void> {
    try {
      await effect();
    } catch (error) {
      this.#error ??= { error };
    }
    this.#underWay.delete(key);
    this.#ended += 1;
  }

  get idle(): boolean {
    return this.#underWay.size === 0;
  }

  /** The keys of what is under way. */
  get underWay(): ReadonlySet<string> {
    return this.#underWay;
  }

  /** Resolves when something has ended since, or when `moved` says so. */
  async orWhen(moved: () => boolean): Promise<void> {
    const before = this.#ended;
    await condition(() => this.#ended !== before || moved());
    if (this.#error !== undefined) throw this.#error.error;
  }
}
