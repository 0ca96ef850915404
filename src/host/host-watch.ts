import { ActivityNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import pRetry from 'p-retry';
import { within } from '../client/deadline.js';
import type { AttemptResult, Clocks } from '../contract/index.js';
import { endLeftovers, inspectAttempt, processStopped, signalProcess } from '../runner/index.js';
import type { AttemptDir } from '../runner/index.js';
import { defaultClocks } from '../domain/clocks.js';
import { DeafRunners } from './deaf-runners.js';
import type { Host } from './host.js';
import type { LivingRunner } from './living-runners.js';
import { removeOldAttempts } from './old-attempts.js';
import { Tidying } from './tidying.js';

export interface HostWatchOptions {
  client: Client;
  /**
   * What to do with an attempt that came here long ago and never got past the fence; resolves when it was looked at.
   */
  sweep?: (dir: AttemptDir) => Promise<void>;
  /** What to do with what an attempt that has ended leaves here; resolves to whether nothing is left to be done. */
  tidy?: (dir: AttemptDir) => Promise<boolean>;
  /** Milliseconds from an attempt's end to the first of that; default 10 s: the bead has gone on by then, as a rule. */
  tidyAfter?: number;
  /**
   * Milliseconds between two looks at the process table; default 1 s: a killed runner is known before anybody misses
   * it.
   */
  lookEvery?: number;
  /** Milliseconds between two looks at the disk; default 10 s. */
  diskEvery?: number;
  /** Milliseconds between two questions to runners whose lease runs out; default 10 s. */
  askEvery?: number;
  /**
   * Milliseconds between two sweeps of one folder; default `giveUpAfter` of its attempt: no bead comes back for it
   * after that.
   */
  sweepEvery?: number;
}

/** A reaping that failed (a process that does not end, a disk that cannot be written) is tried again after so long. */
const reapAgainAfter = 10_000;
/** Milliseconds between two looks for folders of attempts that are of no use any more. */
const oldEvery = 24 * 3_600_000;
/**
 * After a quarter of an hour without a server the adoption that follows the heartbeat timeout will find the result on
 * disk.
 */
const reportFor = 15 * 60_000;

/**
 * Looks at the runners of this host: one that died without a result is reaped and its activity completed in its name,
 * so that a SIGKILL is known in seconds and not after the heartbeat timeout. Ends of all kinds free their place.
 * Watches the disk, too.
 */
export class HostWatch {
  readonly #stop = new AbortController();
  readonly #again = new Map<string, number>();
  /** When folders of attempts that never started were looked at, and after how long that is due again. */
  readonly #swept = new Map<string, { at: number; every: number }>();
  /** Since when runners stand still, of this process's clock, by folder. */
  readonly #stopped = new Map<string, number>();
  readonly #deaf = new DeafRunners(async (dir) => (await this.#clocksOf(dir)).leaseFor);
  readonly #endedFor = new Map<string, string>();
  readonly #reports = new Set<Promise<void>>();
  readonly #tidying: Tidying | undefined;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #asking: Promise<void> | undefined;
  #askedAt = -Infinity;
  #diskCheckedAt = -Infinity;
  #oldRemovedAt = -Infinity;

  constructor(
    private readonly host: Host,
    private readonly options: HostWatchOptions,
  ) {
    const { tidy, tidyAfter = 10_000 } = options;
    if (tidy !== undefined)
      this.#tidying = new Tidying({
        tidy,
        after: tidyAfter,
        onTrouble: (dir, error) =>
          host.logger.warn(
            { err: error, bead: dir.bead, attempt: dir.attempt },
            'what an attempt has left could not be looked after; it is tried again later',
          ),
      });
  }

  /** Resolves after the first round: the runners that were here before this worker have their places then. */
  async start(): Promise<void> {
    await this.#round();
    this.#arm();
  }

  /** Ends the rounds. Runners and agents live on. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the worker is stopping'));
    clearTimeout(this.#timer);
    await this.#underWay;
    await this.#asking;
    await Promise.all(this.#reports);
    await this.#tidying?.stop();
  }

  #arm(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#underWay = this.#round()
        .catch((error: unknown) =>
          this.host.logger.error({ err: error }, 'the look at the runners of this host failed; the next one follows'),
        )
        .finally(() => this.#arm());
    }, this.options.lookEvery ?? 1_000);
  }

  async #round(): Promise<void> {
    await this.#checkDisk();
    await this.#removeOld();
    const { gone, stopped, unstarted, over, damaged } = await this.host.runners.look();
    await this.#endStopped(stopped);
    this.#askTheSilent();
    await Promise.all(gone.map((dir) => this.#settle(dir)));
    for (const { dir, problem, mayLive, news } of damaged) if (news) await this.#tellDamage(dir, problem, mayLive);
    for (const dir of over) this.#tidying?.add(dir);
    this.#tidying?.beginDue();
    for (const dir of unstarted) await this.#sweep(dir);
  }

  /** Nobody can go on with a damaged attempt: what is left of its agent is ended, and a person is told once. */
  async #tellDamage(dir: AttemptDir, problem: string, mayLive: boolean): Promise<void> {
    const about = { bead: dir.bead, attempt: dir.attempt, problem };
    this.host.logger.error(
      about,
      'the folder of an attempt is damaged and passed over; `heartbead doctor` says what to do',
    );
    if (mayLive) return;
    const turn = this.host.turns.tryTake(dir);
    if (turn === undefined) return;
    try {
      const ended = await endLeftovers(dir);
      if (ended > 0) this.host.logger.warn({ ...about, ended }, 'processes of a damaged attempt were ended');
    } catch (error) {
      this.host.logger.error({ ...about, err: error }, 'processes of a damaged attempt could not be ended');
    } finally {
      turn.end();
    }
  }

  /**
   * A runner that stands still (SIGSTOP, a debugger) renews no lease, and cannot freeze its agent when that has run
   * out: the agent would go on while the bead gives the attempt up and starts another. After `leaseFor` it is ended,
   * as it would have ended its agent's work itself; what it leaves is reaped.
   */
  async #endStopped(stopped: readonly LivingRunner[]): Promise<void> {
    const still = new Set(stopped.map(({ dir }) => dir.path));
    for (const path of this.#stopped.keys()) if (!still.has(path)) this.#stopped.delete(path);
    for (const { dir, runner } of stopped) {
      const since = this.#stopped.get(dir.path) ?? performance.now();
      this.#stopped.set(dir.path, since);
      if (
        performance.now() - since < (await this.#clocksOf(dir)).leaseFor ||
        !processStopped(runner.pid, runner.startTime)
      )
        continue;
      this.#end(
        { dir, runner },
        'its runner stood still for longer than its lease (stopped by a signal or a debugger) and was ended',
      );
    }
  }

  /** Not in the round: who answers nobody takes his time. */
  #askTheSilent(): void {
    if (this.#asking !== undefined || performance.now() - this.#askedAt < (this.options.askEvery ?? 10_000)) return;
    this.#askedAt = performance.now();
    this.#asking = this.#endDeaf()
      .catch((error: unknown) => this.host.logger.error({ err: error }, 'runners could not be asked whether they live'))
      .finally(() => (this.#asking = undefined));
  }

  async #endDeaf(): Promise<void> {
    for (const one of await this.#deaf.find(this.host.runners.all))
      this.#end(one, 'its runner answered nobody after its lease was over (a deadlock, or a loop) and was ended');
  }

  /** What it leaves is reaped by the next round. */
  #end({ dir, runner }: LivingRunner, reason: string): void {
    this.host.logger.warn({ bead: dir.bead, attempt: dir.attempt, pid: runner.pid, reason }, 'a runner is ended');
    this.#endedFor.set(dir.path, reason);
    signalProcess(runner, 'SIGKILL');
  }

  /** Whoever has the turn settles the attempt himself; if not, the next round does. */
  async #settle(dir: AttemptDir): Promise<void> {
    if ((this.#again.get(dir.path) ?? 0) > Date.now()) return;
    const turn = this.host.turns.tryTake(dir);
    if (turn === undefined) return;
    try {
      const found = await inspectAttempt(dir);
      switch (found.kind) {
        case 'ended':
          this.host.free(dir);
          this.#report(dir, found.result);
          break;
        case 'dead':
          this.#report(
            dir,
            await this.host.reap(
              dir,
              this.#endedFor.get(dir.path) ?? 'its runner died without a word (killed, or crashed)',
            ),
          );
          this.#endedFor.delete(dir.path);
          break;
        case 'missing':
        case 'unstarted':
          this.host.runners.forget(dir, false);
          this.host.places.wake();
          break;
        case 'running':
          this.host.runners.add(dir, found.record);
          break;
        case 'elsewhere':
          this.host.runners.forget(dir, false);
          this.host.places.wake();
          break;
        case 'damaged':
          // The next look finds it by its folder, and tells.
          if (!found.mayLive) await endLeftovers(dir);
          this.host.runners.forget(dir, false);
          this.host.places.wake();
          break;
        default:
          found satisfies never;
      }
      this.#again.delete(dir.path);
    } catch (error) {
      this.host.logger.error(
        { err: error, bead: dir.bead, attempt: dir.attempt },
        'a dead attempt could not be settled; it keeps its place and is tried again',
      );
      this.#again.set(dir.path, Date.now() + reapAgainAfter);
    } finally {
      turn.end();
    }
  }

  /**
   * Completes the activity with the recorded token. A runner that could report by itself has done so: then the server
   * knows the token no longer, and all is well.
   */
  #report(dir: AttemptDir, result: AttemptResult): void {
    const report = this.#complete(dir, result)
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.host.logger.warn(
            { err: error, attempt: dir.attempt },
            'the end of an attempt could not be reported; the next adoption will find it',
          );
      })
      .finally(() => this.#reports.delete(report));
    this.#reports.add(report);
  }

  async #complete(dir: AttemptDir, result: AttemptResult): Promise<void> {
    const token = await dir.readToken();
    if (token === undefined) return;
    const { client } = this.options;
    await pRetry(() => within(client, 10_000, () => client.activity.complete(token, result)), {
      retries: 1_000,
      maxRetryTime: reportFor,
      minTimeout: 500,
      maxTimeout: 10_000,
      signal: this.#stop.signal,
      shouldRetry: ({ error }) => !(error instanceof ActivityNotFoundError),
    }).catch((error: unknown) => {
      if (!(error instanceof ActivityNotFoundError)) throw error;
    });
  }

  /** @returns the clocks of an attempt; an input that cannot be read has those of most. */
  async #clocksOf(dir: AttemptDir): Promise<Clocks> {
    const input = await dir.readInput().catch(() => undefined);
    return input?.clocks ?? defaultClocks;
  }

  async #sweep(dir: AttemptDir): Promise<void> {
    const { sweep, sweepEvery } = this.options;
    if (sweep === undefined) return;
    const before = this.#swept.get(dir.path);
    // The first time it is only remembered: an attempt that is just being prepared looks the same.
    if (before === undefined) {
      const every = sweepEvery ?? (await this.#clocksOf(dir)).giveUpAfter;
      this.#swept.set(dir.path, { at: Date.now(), every });
      return;
    }
    if (Date.now() - before.at < before.every) return;
    before.at = Date.now();
    const turn = this.host.turns.tryTake(dir);
    if (turn === undefined) return;
    try {
      await sweep(dir);
    } catch (error) {
      this.host.logger.warn(
        { err: error, attempt: dir.attempt },
        'an attempt that never started could not be looked after; it is tried again later',
      );
    } finally {
      turn.end();
    }
  }

  /** Folders of attempts that are of no use any more: at the start, and once a day. */
  async #removeOld(): Promise<void> {
    if (performance.now() - this.#oldRemovedAt < oldEvery) return;
    this.#oldRemovedAt = performance.now();
    const removed = await removeOldAttempts(this.host);
    if (removed.length > 0) this.host.logger.info({ removed }, 'old folders of attempts were removed');
  }

  async #checkDisk(): Promise<void> {
    const { places, logger } = this.host;
    if (performance.now() - this.#diskCheckedAt < (this.options.diskEvery ?? 10_000)) return;
    this.#diskCheckedAt = performance.now();
    const problem = await this.host.noRoom();
    if (problem !== undefined && places.obstacle === undefined)
      logger.warn({ problem }, 'this host takes no new attempts');
    if (problem === undefined && places.obstacle !== undefined)
      logger.info('there is room on the disk again: this host takes attempts');
    if (problem !== places.obstacle) places.setObstacle(problem);
  }
}
