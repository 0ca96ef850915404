import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { AttemptDir } from './attempt/attempt-dir.js';
import {
  bootRunner,
  crashLogName,
  holdRunner,
  loadRunner,
  runnerEnvironment,
  runnerProgram,
  sendRunner,
  spareFlag,
  tellRunner,
} from './spawn-runner.js';
import type { BootedRunner, LoadedRunner } from './spawn-runner.js';
import type { RunnerConnection } from './types.js';

/** The next one loads when the agent of the last start has had the processor for a moment. */
const nextAfter = 1_000;

interface Spare extends LoadedRunner {
  /** By what it was made; one that would be made otherwise now is of no use. */
  made: string;
  /** Whether its process is over; it was not told anything yet. */
  ended: boolean;
}

/**
 * One runner's process that has loaded its program and waits to be told its attempt, so that a start need not wait for
 * that (0.3 s of Node.js, some times as much on a busy machine). It is used only where it is what a fresh one would be:
 * same program, variables, limits and group of processes; its output goes to the attempt's folder, and it ends by
 * itself when this process dies before it was told to begin.
 */
export class SpareRunner {
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly home: string,
    private readonly logger: Pick<Logger, 'warn'>,
    /** How runners of this host reach the server, as it is now. One that waits connects: that takes a while. */
    private readonly connection?: () => RunnerConnection,
  ) {}

  /** The process that waits; undefined when there is none. */
  get pid(): number | undefined {
    return this.#spare?.child.pid;
  }

  /** Output of the one that waits; it moves into the attempt's folder with it. */
  get #output(): string {
    return join(this.home, `spare-${crashLogName}`);
  }

  /** Lets one load, unless one waits. */
  stock(): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#spare !== undefined) return;
    try {
      this.#spare = this.#load();
    } catch (error) {
      this.logger.warn({ err: error }, 'no runner could be loaded in advance; starts of agents load their own');
    }
  }

  /**
   * Boots the runner of an attempt, whose folder must exist: the one that waits, or a fresh one. The next one loads
   * when it has begun.
   */
  boot(dir: AttemptDir, connection?: RunnerConnection): BootedRunner {
    const spare = this.#take(dir);
    const runner = spare === undefined ? bootRunner(dir, connection) : sent(spare, dir, connection);
    return {
      begin: () => runner.begin().finally(() => this.#stockSoon()),
      get process() {
        return runner.process;
      },
      letGo: () => {
        runner.letGo();
        this.#stockSoon();
      },
      dismiss: () => {
        runner.dismiss();
        this.#stockSoon();
      },
    };
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#dismiss();
  }

  #stockSoon(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.stock(), nextAfter);
    this.#timer.unref();
  }

  #load(): Spare {
    // One that another worker has left behind ends by itself, and keeps its file without a name.
    rmSync(this.#output, { force: true });
    const made = surroundings();
    const out = openSync(this.#output, 'ax', 0o600);
    try {
      const loaded = loadRunner(spareFlag, { cwd: this.home, out });
      const spare: Spare = { ...loaded, made, ended: false };
      const gone = (): void => {
        spare.ended = true;
        if (this.#spare === spare) this.#spare = undefined;
      };
      loaded.child.once('exit', gone);
      loaded.over.then(gone, gone);
      if (this.connection !== undefined) tellRunner(loaded, { connection: this.connection() });
      holdRunner(loaded, false);
      return spare;
    } finally {
      closeSync(out);
    }
  }

  /** @returns the one that waits, as far as it is what a fresh one would be. */
  #take(dir: AttemptDir): Spare | undefined {
    const spare = this.#spare;
    if (spare === undefined) return undefined;
    if (spare.made !== surroundings()) {
      this.#dismiss();
      return undefined;
    }
    const output = dir.file(crashLogName);
    // What an earlier runner of the attempt has said stays; the spare one is good for another attempt.
    if (existsSync(output)) return undefined;
    try {
      renameSync(this.#output, output);
    } catch (error) {
      this.logger.warn({ err: error }, 'the runner that waited cannot be used: its output has no place in the attempt');
      this.#dismiss();
      return undefined;
    }
    this.#spare = undefined;
    return spare;
  }

  #dismiss(): void {
    this.#spare?.child.stdin?.end();
    this.#spare = undefined;
    rmSync(this.#output, { force: true });
  }
}

/** @returns the one that waited as the runner of an attempt. */
function sent(spare: Spare, dir: AttemptDir, connection: RunnerConnection | undefined): BootedRunner {
  holdRunner(spare, true);
  let runner = sendRunner(spare, dir, 0, connection);
  return {
    get process() {
      return runner.process;
    },
    letGo: () => runner.letGo(),
    dismiss: () => runner.dismiss(),
    begin: () => {
      // It was killed before it was told to begin: nothing of the attempt was touched.
      if (spare.ended) runner = bootRunner(dir);
      return runner.begin();
    },
  };
}

/** @returns all by which two runners that this process starts could differ, beside their attempts. */
function surroundings(): string {
  return JSON.stringify([
    Object.entries(runnerEnvironment()).sort(([one], [other]) => (one < other ? -1 : 1)),
    [process.execPath, runnerProgram()].map((file) => {
      const { dev, ino, size, mtimeMs } = statSync(file);
      return [dev, ino, size, mtimeMs];
    }),
    getPriority(),
    ownFile('cgroup'),
    ownFile('limits'),
  ]);
}

/** @returns what the kernel says of this process; nothing where it is not Linux. */
function ownFile(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, 'utf8');
  } catch {
    // Not Linux, or a system that hides it: then a change there is not noticed, as it cannot be made there either.
    return '';
  }
}
