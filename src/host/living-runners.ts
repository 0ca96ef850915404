import { basename } from 'node:path';
import { AttemptDir, inspectAttempt, processAlive, processStopped } from '../runner/index.js';
import type { AttemptInspection, ProcessIdentity } from '../runner/index.js';

/** What a look at the state directory has found. */
export interface HostLook {
  /**
   * Runners that have ended since they were last seen, or had died before anybody looked: to be settled, then {@link
   * LivingRunners.forget}.
   */
  gone: AttemptDir[];
  /** Attempts that came here and never got a runner past its fence. */
  unstarted: AttemptDir[];
  /** Attempts whose runner is there and stands still. */
  stopped: LivingRunner[];
  /** Attempts that are over, each told once. */
  over: AttemptDir[];
  /** Attempts whose folder cannot be read; `news` when that was not told before. They stand in nobody's way. */
  damaged: { dir: AttemptDir; problem: string; mayLive: boolean; news: boolean }[];
}

/** An attempt that has a runner, and its process. */
export interface LivingRunner {
  dir: AttemptDir;
  runner: ProcessIdentity;
}

/**
 * The attempts that take up a place on this host. A runner that has died counts until it is settled: before that,
 * processes of its agent may be left. The process table is the only authority (pid *and* start time), so it makes no
 * difference which worker spawned a runner.
 */
export class LivingRunners {
  readonly #entries = new Map<string, LivingRunner>();
  /** Folders of attempts that are over: kept for their logs, and looked at no more than once again. */
  readonly #over = new Map<string, 'fresh' | 'told'>();
  /** What is wrong with folders that cannot be read, as it was told. */
  readonly #damaged = new Map<string, string>();

  constructor(private readonly home: string) {}

  get count(): number {
    return this.#entries.size;
  }

  get all(): LivingRunner[] {
    return [...this.#entries.values()];
  }

  get dirs(): AttemptDir[] {
    return this.all.map(({ dir }) => dir);
  }

  has(dir: AttemptDir): boolean {
    return this.#entries.has(basename(dir.path));
  }

  add(dir: AttemptDir, runner: ProcessIdentity): void {
    this.#entries.set(basename(dir.path), { dir, runner });
  }

  /** The attempt no longer takes up a place. @param over false when it may yet come to life (it never started). */
  forget(dir: AttemptDir, over = true): void {
    this.#entries.delete(basename(dir.path));
    if (over && !this.#over.has(basename(dir.path))) this.#over.set(basename(dir.path), 'fresh');
  }

  /** Looks at the process table, and at folders not yet known. Cheap: meant to be done every second. */
  async look(): Promise<HostLook> {
    const entries = this.all;
    const look: HostLook = {
      gone: entries.filter(({ runner }) => !processAlive(runner.pid, runner.startTime)).map(({ dir }) => dir),
      stopped: entries.filter(({ runner }) => processStopped(runner.pid, runner.startTime)),
      unstarted: [],
      over: [],
      damaged: [],
    };
    const dirs = await AttemptDir.list(this.home);
    const names = new Set(dirs.map((dir) => basename(dir.path)));
    for (const known of [this.#over, this.#damaged])
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    for (const dir of dirs) {
      const name = basename(dir.path);
      if (this.#over.get(name) === 'fresh') {
        this.#over.set(name, 'told');
        look.over.push(dir);
      }
      if (this.#entries.has(name) || this.#over.has(name)) continue;
      const found = await this.#inspect(dir);
      if (found.kind !== 'damaged') this.#damaged.delete(name);
      switch (found.kind) {
        case 'running':
          this.add(dir, found.record);
          break;
        case 'dead':
          this.add(dir, found.record);
          look.gone.push(dir);
          break;
        case 'ended':
          this.#over.set(name, 'told');
          look.over.push(dir);
          break;
        case 'missing':
        case 'unstarted':
          look.unstarted.push(dir);
          break;
        case 'elsewhere':
          // Its agent takes up no place here. It is looked at again until its lease is over.
          break;
        case 'damaged': {
          const { problem, mayLive } = found;
          look.damaged.push({ dir, problem, mayLive, news: this.#damaged.get(name) !== problem });
          this.#damaged.set(name, problem);
          break;
        }
        default:
          found satisfies never;
      }
    }
    return look;
  }

  /** One attempt at which nobody can look for now must not hide all others. */
  async #inspect(dir: AttemptDir): Promise<AttemptInspection> {
    try {
      return await inspectAttempt(dir);
    } catch (error) {
      return { kind: 'damaged', problem: `${dir.path}: ${(error as Error).message}`, mayLive: true };
    }
  }
}
