/**
 * Paid starts of one host that have led to no finished work, of beads without a rig: a rig counts its own. Kept in the
 * state directory, one empty file for each, so that worker and runners of the host share the count.
 * @module
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttemptResult, StartAgentInput } from '../../contract/index.js';
import { isMissing } from '../../edge/errors.js';

const folder = 'fruitless-starts';
const hour = 60 * 60_000;
/** The file that says since when the host has had enough. */
const enough = 'enough';

export class FruitlessStarts {
  readonly #folder: string;

  /** @param home the state directory. */
  constructor(
    home: string,
    private readonly now: () => number = Date.now,
  ) {
    this.#folder = join(home, folder);
  }

  /** An attempt whose agent had been started has ended so. */
  ended({ bead, attempt, rig }: Pick<StartAgentInput, 'bead' | 'attempt' | 'rig'>, { outcome }: AttemptResult): void {
    if (rig !== undefined || outcome === 'done') return;
    const name = `${attempt}__${bead}`;
    // It may be told twice, by one that was cut off right after it.
    if (this.#names().some((known) => known.endsWith(`.${name}`))) return;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#folder, `${this.now()}.${name}`), '', { mode: 0o600 });
  }

  /**
   * @param most so many within an hour are enough.
   * @param retriedAt when an operator last retried the bead that wants to start: what came before is forgiven.
   * @returns since when it is enough, in milliseconds; undefined while it is not. It stays enough after the hour.
   */
  enough(most: number, retriedAt = 0): number | undefined {
    const names = this.#names();
    const since = instantOf(names.find((name) => name.endsWith(`.${enough}`)) ?? '');
    if (since !== undefined) {
      if (retriedAt <= since) return since;
      this.#remove(names);
      return undefined;
    }
    const old = names.filter((name) => (instantOf(name) ?? 0) <= this.now() - hour);
    this.#remove(old);
    if (names.length - old.length < most) return undefined;
    writeFileSync(join(this.#folder, `${this.now()}.${enough}`), '', { mode: 0o600 });
    return this.now();
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #remove(names: readonly string[]): void {
    for (const name of names) rmSync(join(this.#folder, name), { force: true });
  }
}

function instantOf(name: string): number | undefined {
  const found = /^(\d+)\./.exec(name)?.[1];
  return found === undefined ? undefined : Number(found);
}
