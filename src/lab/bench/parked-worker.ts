/**
 * The worker process of the scale benchmark: beads, and an agents queue whose attempts are left to whoever has forked
 * this process. @module
 */
import { CompleteAsyncError, Context } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import { taskQueues } from '../../contract/index.js';
import type { StartAgentInput } from '../../contract/index.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';

export type ToParkedWorker = { type: 'measure' };
export type FromParkedWorker =
  | { type: 'ready' }
  | { type: 'taken'; bead: string; attempt: string; token: string }
  | { type: 'measured'; rssMb: number; cpuMs: number };

const [address = '', namespace = '', queue = '', codePath = ''] = process.argv.slice(2);
const tell = (message: FromParkedWorker): void => void process.send?.(message);
process.once('disconnect', () => process.exit(1));
quietRuntime({ shutdownSignals: [] });
const connection = await NativeConnection.connect({ address });
const workers = await Promise.all([
  Worker.create({ connection, namespace, taskQueue: queue, workflowBundle: { codePath }, maxCachedWorkflows: 10_000 }),
  Worker.create({
    connection,
    namespace,
    taskQueue: taskQueues.agents(queue),
    maxConcurrentActivityTaskExecutions: 10_000,
    activities: {
      startAgent: ({ bead, attempt }: StartAgentInput) => {
        tell({ type: 'taken', bead, attempt, token: Buffer.from(Context.current().info.taskToken).toString('base64') });
        throw new CompleteAsyncError();
      },
    },
  }),
]);
process.on('message', () => {
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  tell({ type: 'measured', rssMb: process.memoryUsage().rss / 2 ** 20, cpuMs: (user + system) / 1_000 });
});
tell({ type: 'ready' });
await Promise.all(workers.map((worker) => worker.run()));
