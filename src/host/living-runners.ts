import { basename } from 'node:path';
import { AttemptDir, inspectAttempt, processAlive, processStopped } from '../runner/index.js';
import type { ProcessIdentity } from '../runner/index.js';

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
  stopped: { dir: AttemptDir; runner: ProcessIdentity }[];
  /** Attempts that are over, each told once. */
  over: AttemptDir[];
}

interface Entry {
  dir: AttemptDir;
  runner: ProcessIdentity;
}

/**
 * The attempts that take up a place on this host. A runner that has died counts until it is settled: before that,
 * processes of its agent may be left. The process table is the only authority (pid *and* start time), so it makes no
 * difference which worker spawned a runner.
 */
export class LivingRunners {
  readonly #entries = new Map<string, Entry>();
  /** Folders of attempts that are over: kept for their logs, and looked at no more than once again. */
  readonly #over = new Map<string, 'fresh' | 'told'>();

  constructor(private readonly home: string) {}

  get count(): number {
    return this.#entries.size;
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
    const entries = [...this.#entries.values()];
    const look: HostLook = {
      gone: entries.filter(({ runner }) => !processAlive(runner.pid, runner.startTime)).map(({ dir }) => dir),
      stopped: entries.filter(({ runner }) => processStopped(runner.pid, runner.startTime)),
      unstarted: [],
      over: [],
    };
    for (const dir of await AttemptDir.list(this.home)) {
      const name = basename(dir.path);
      if (this.#over.get(name) === 'fresh') {
        this.#over.set(name, 'told');
        look.over.push(dir);
      }
      if (this.#entries.has(name) || this.#over.has(name)) continue;
      const found = await inspectAttempt(dir);
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
        default:
          found satisfies never;
      }
    }
    return look;
  }
}
