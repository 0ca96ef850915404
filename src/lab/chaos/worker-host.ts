import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from '../../edge/errors.js';
import { compiledFile } from '../../package/compiled.js';
import { AttemptDir, endProcesses, processAlive } from '../../runner/index.js';
import type { RunnerRecord } from '../../runner/index.js';
import { endWithUs } from '../../server/end-with-us.js';
import { killChild } from '../../server/kill-child.js';

export interface WorkerHostOptions {
  home: string;
  address: string;
  namespace: string;
  taskQueue: string;
  maxAgents: number;
}

/** An attempt with a runner and an agent that live. */
export interface LivingAttempt {
  dir: AttemptDir;
  runner: RunnerRecord & { agent: NonNullable<RunnerRecord['agent']> };
}

/** What a service manager waits before it starts a worker again that ended by itself. */
const startAgainAfter = 500;

/**
 * A host of the town: a state directory, and a worker process that is started again when it ends though it should not,
 * as a service manager does.
 */
export class WorkerHost {
  readonly home: string;
  #worker: ChildProcess | undefined;
  #wanted = false;
  /** Starts that were not asked for here: the worker had ended by itself. */
  restarts = 0;

  constructor(
    readonly name: string,
    private readonly options: WorkerHostOptions,
  ) {
    this.home = options.home;
    mkdirSync(this.home, { recursive: true });
  }

  /** The worker's process, when there is one. */
  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  get logFile(): string {
    return join(this.home, 'worker.log');
  }

  /** Starts the worker. Does nothing when one is there. */
  start(): void {
    this.#wanted = true;
    if (this.#worker !== undefined) return;
    const { address, namespace, taskQueue, maxAgents } = this.options;
    const log = openSync(this.logFile, 'a');
    const worker = spawn(
      process.execPath,
      [compiledFile('worker'), '--home', this.home, '--task-queue', taskQueue, '--max-agents', String(maxAgents)],
      {
        // The worker has a process group of its own: a Ctrl-C is for chaos, which ends it when all else is done.
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace },
      },
    );
    closeSync(log);
    this.#worker = worker;
    const release = worker.pid === undefined ? undefined : endWithUs(worker.pid);
    worker.once('error', () => undefined);
    worker.once('exit', () => {
      release?.();
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      if (!this.#wanted) return;
      this.restarts += 1;
      setTimeout(() => (this.#wanted ? this.start() : undefined), startAgainAfter);
    });
  }

  /** @returns whether the worker polls. */
  polls(): boolean {
    try {
      const state = JSON.parse(readFileSync(join(this.home, 'worker-state.json'), 'utf8')) as {
        pid: number;
        state: string;
      };
      return state.pid === this.pid && state.state === 'running';
    } catch (error) {
      if (isMissing(error) || error instanceof SyntaxError) return false;
      throw error;
    }
  }

  /** SIGKILL, and no new one before `start`. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#wanted = false;
    const worker = this.#worker;
    this.#worker = undefined;
    await killChild(worker);
  }

  /** @returns the attempts whose agents are at work here. */
  async living(): Promise<LivingAttempt[]> {
    const found: LivingAttempt[] = [];
    for (const dir of await AttemptDir.list(this.home)) {
      const runner = await dir.readRunner();
      if (
        runner?.agent !== undefined &&
        processAlive(runner.pid, runner.startTime) &&
        processAlive(runner.agent.pid, runner.agent.startTime)
      )
        found.push({ dir, runner: { ...runner, agent: runner.agent } });
    }
    return found;
  }

  /** @returns attempts that have not ended: their runner lives, or processes of their agent are left. */
  async unended(): Promise<AttemptDir[]> {
    const found: AttemptDir[] = [];
    for (const dir of await AttemptDir.list(this.home)) {
      const runner = await dir.readRunner();
      if (runner !== undefined && processAlive(runner.pid, runner.startTime)) found.push(dir);
    }
    return found;
  }

  /** Ends the worker and all that was ever started for its attempts. */
  async end(): Promise<void> {
    await this.kill();
    for (let round = 0; round < 3; round++) {
      for (const dir of await AttemptDir.list(this.home)) {
        const record = await dir.readRunner();
        if (record !== undefined && processAlive(record.pid, record.startTime)) process.kill(record.pid, 'SIGKILL');
        await endProcesses({
          attempt: dir.attempt,
          graceMs: 0,
          group: record?.agent,
        });
      }
      // A runner that a dying worker had just spawned has not written its record yet.
      if (round < 2) await sleep(200);
    }
  }
}
