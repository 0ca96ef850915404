import type { Command } from 'commander';
import { z } from 'zod';
import { parseArgs, wholeNumber } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

const options = z.object({
  maxAgents: wholeNumber('--max-agents', 1, 1_000).optional(),
  home: z.string().min(1).optional(),
  taskQueue: z.string().min(1).max(200).optional(),
  diskFloor: wholeNumber('--disk-floor', 0, 1_000_000_000).optional(),
  healthPort: wholeNumber('--health-port', 0, 65_535).optional(),
});

const flags = {
  maxAgents: '--max-agents',
  home: '--home',
  taskQueue: '--task-queue',
  diskFloor: '--disk-floor',
  healthPort: '--health-port',
} as const;

export function worker(program: Command): void {
  program
    .command('worker')
    .description(
      'run a worker in the foreground, with its log as JSON lines on stderr; its agents live on when it ends',
    )
    .option('--max-agents <n>', 'at most so many agents on this host (default: 4)')
    .option('--home <dir>', 'the state directory (default: HEARTBEAD_HOME)')
    .option('--task-queue <name>', "the town's task queue")
    .option('--disk-floor <MiB>', 'start nothing new below so much free space (default: 512)')
    .option('--health-port <port>', 'answer probes on this port of the loopback interface')
    .action(
      action(async (_context, given: unknown) => {
        const parsed = parseArgs(options, given, 'worker');
        const args = (Object.keys(flags) as (keyof typeof flags)[]).flatMap((name) =>
          parsed[name] === undefined ? [] : [flags[name], String(parsed[name])],
        );
        const { runWorker } = await import('../../worker.js');
        return (await runWorker(args)) === 0 ? exitCodes.fine : exitCodes.failed;
      }),
    );
}
