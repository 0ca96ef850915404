import { inject } from 'vitest';
import { openStateDirectory } from '../../../src/host/index.js';
import { startWorker } from '../../../src/worker.js';
import type { RunningWorker, StartWorkerOptions } from '../../../src/worker.js';
import { Lab, testLogger } from './host-lab.js';

/** A state directory and its worker as it ships, which can be stopped and started again. */
export class WorkerLab extends Lab {
  #worker: RunningWorker | undefined;

  static async open(): Promise<WorkerLab> {
    const lab = new WorkerLab();
    await lab.openTown();
    lab.host = await openStateDirectory(lab.home);
    lab.closers.unshift(() => lab.stopWorker());
    return lab;
  }

  async startWorker(options: Partial<StartWorkerOptions> = {}): Promise<RunningWorker> {
    const { address, namespace } = inject('devServer');
    const worker = await startWorker({
      connection: { address },
      namespace,
      taskQueue: this.town,
      home: this.home,
      diskFloor: 0,
      workflowBundle: { codePath: inject('workflowBundle') },
      logger: testLogger(),
      ...options,
    });
    this.#worker ??= worker;
    return worker;
  }

  async stopWorker(): Promise<void> {
    await this.#worker?.stop();
    this.#worker = undefined;
  }
}
