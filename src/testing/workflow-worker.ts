import { Worker } from '@temporalio/worker';
import { activationLimit } from '../worker/activation-limit.js';
import type { World } from './world.js';

/** A worker that runs workflows only: activities are taken up by the desk, on behalf of fake hosts. */
export class WorkflowWorker {
  private constructor(
    readonly queue: string,
    private readonly worker: Worker,
    private readonly running: Promise<void>,
  ) {}

  static async start(
    world: Pick<World, 'environment' | 'client' | 'workflowBundle'>,
    queue: string,
  ): Promise<WorkflowWorker> {
    const worker = await Worker.create({
      ...activationLimit,
      connection: world.environment.nativeConnection,
      taskQueue: queue,
      workflowBundle: world.workflowBundle,
      dataConverter: { payloadCodecs: [...world.client.options.loadedDataConverter.payloadCodecs] },
      namespace: world.client.options.namespace,
    });
    const running = worker.run();
    // A worker that dies makes every later step hang; its error says more than a time-out.
    running.catch((error: unknown) => console.error(`the workflow worker of ${queue} ended:`, error));
    return new WorkflowWorker(queue, worker, running);
  }

  async stop(): Promise<void> {
    this.worker.shutdown();
    await this.running;
  }
}
