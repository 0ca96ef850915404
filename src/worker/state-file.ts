import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { isMissing } from '../edge/errors.js';
import { processStartTime } from '../runner/index.js';

/**
 * `worker-state.json` in the state directory: what the worker says of itself. Believe it only while that very process
 * runs (pid and start time).
 */
export interface WorkerState {
  pid: number;
  startTime?: string;
  hostId: string;
  state: 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';
  /** Since when it is in this state; milliseconds. */
  since: number;
  taskQueue: string;
  maxAgents: number;
  /** `host:port` of the server. */
  address: string;
  /** Where it serves metrics, and opens payloads for the Web UI; absent where it does not. */
  metricsPort?: number;
  codecPort?: number;
}

/** @returns what the worker of a state directory said last; undefined when none has run there. */
export async function readWorkerState(home: string): Promise<WorkerState | undefined> {
  try {
    return JSON.parse(await readFile(join(home, 'worker-state.json'), 'utf8')) as WorkerState;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes the worker's state where others on this host (doctor, probes) look. */
export class WorkerStateFile {
  readonly #path: string;
  readonly #fixed: Omit<WorkerState, 'state' | 'since'>;

  constructor(home: string, fixed: Pick<WorkerState, 'hostId' | 'taskQueue' | 'maxAgents' | 'address'>) {
    const startTime = processStartTime(process.pid);
    this.#path = join(home, 'worker-state.json');
    this.#fixed = { pid: process.pid, startTime, ...fixed };
  }

  async write(state: WorkerState['state'], ports: Pick<WorkerState, 'metricsPort' | 'codecPort'> = {}): Promise<void> {
    await writeFileAtomic(
      this.#path,
      `${JSON.stringify({ ...this.#fixed, ...ports, state, since: Date.now() } satisfies WorkerState, undefined, 2)}\n`,
      { mode: 0o600 },
    );
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
