import { processStopped, runnerAnswers, touchedAt } from '../runner/index.js';
import type { AttemptDir } from '../runner/index.js';
import type { LivingRunner } from './living-runners.js';

/**
 * Milliseconds for which a runner answers nobody before it counts as deaf: a machine that is busy with something else,
 * or has just woken up, needs a while. At most half a lease. It is asked before its lease is over, since its bead gives
 * it up a minute later (`giveUpAfter`).
 */
const silentFor = 30_000;
/** It answers from memory; milliseconds. */
const answerWithin = 5_000;

/**
 * Finds runners whose process runs, whose lease is over, and which answer nobody: a deadlock, a loop without end. Such
 * a one can no longer freeze its agent. One that is cut off from the server has frozen it, and answers here; one that
 * waits at its fence answers, too.
 */
export class DeafRunners {
  /** Since when, of this process's clock, by folder. */
  readonly #silentSince = new Map<string, number>();

  /** @param leaseOf the lease of an attempt, in milliseconds. */
  constructor(private readonly leaseOf: (dir: AttemptDir) => Promise<number>) {}

  /** Asks those whose lease is over, or about to be. @returns the deaf ones, whose lease is over. */
  async find(living: readonly LivingRunner[]): Promise<LivingRunner[]> {
    const known = new Set(living.map(({ dir }) => dir.path));
    for (const path of this.#silentSince.keys()) if (!known.has(path)) this.#silentSince.delete(path);
    const deaf = await Promise.all(living.map((one) => this.#isDeaf(one)));
    return living.filter((_, n) => deaf[n]);
  }

  async #isDeaf({ dir, runner }: LivingRunner): Promise<boolean> {
    const leaseFor = await this.leaseOf(dir);
    const patience = Math.min(silentFor, leaseFor / 2);
    const renewed = await touchedAt(dir.lock);
    // No lock, no runner: the next look at the process table finds it.
    const age = renewed === undefined ? 0 : Date.now() - renewed;
    const asked = performance.now();
    // One that was stopped is settled by what the process table says of it.
    const unasked = age < leaseFor - patience || processStopped(runner.pid, runner.startTime);
    if (unasked || (await runnerAnswers(dir, runner, answerWithin))) {
      this.#silentSince.delete(dir.path);
      return false;
    }
    const since = this.#silentSince.get(dir.path) ?? asked;
    this.#silentSince.set(dir.path, since);
    return age >= leaseFor && performance.now() - since >= patience;
  }
}
