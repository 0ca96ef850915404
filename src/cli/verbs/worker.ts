import { verb } from '../verb.js';
import { workerOptions } from '../worker-options.js';

export const worker = verb({
  name: 'worker',
  description: 'run a worker in the foreground, with its log as JSON lines on stderr; its agents live on when it ends',
  options: workerOptions,
  json: false,
  run: async (_context, _args, settings) => {
    const { runWorker } = await import('../../worker.js');
    // Not by the exit status alone: the SDK's threads would keep the process of a worker that could not start.
    process.exit(await runWorker(settings));
  },
});
