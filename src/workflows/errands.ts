import { condition } from '@temporalio/workflow';

/**
 * What a workflow has under way besides its main loop: each by its key, and each key once at a time. An error that an
 * errand does not handle is a bug, and comes out of `check`.
 */
export class Errands {
  readonly #underWay = new Set<string>();
  #error: { error: unknown } | undefined;
  #ended = 0;

  /** Begins an errand unless it is under way. */
  begin(key: string, errand: () => Promise<void>): void {
    if (this.#underWay.has(key)) return;
    this.#underWay.add(key);
    void this.#run(key, errand);
  }

  async #run(key: string, errand: () => Promise<void>): Promise<void> {
    try {
      await errand();
    } catch (error) {
      this.#error ??= { error };
    }
    this.#underWay.delete(key);
    this.#ended += 1;
  }

  get idle(): boolean {
    return this.#underWay.size === 0;
  }

  /** How many are under way. */
  get count(): number {
    return this.#underWay.size;
  }

  /** Resolves when something has ended since, or when `moved` says so. */
  async orWhen(moved: () => boolean): Promise<void> {
    const before = this.#ended;
    await condition(() => this.#ended !== before || moved());
    if (this.#error !== undefined) throw this.#error.error;
  }
}
