import type { Command } from 'commander';
import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { DEFAULT_TASK_QUEUE } from '../../contract/index.js';
import { parseArgs, wholeNumber } from '../args.js';
import { action } from '../context.js';
import { exitCodes, usageError } from '../exit.js';
import { serviceSystems } from '../service/systems.js';

const options = z.object({
  maxAgents: wholeNumber('--max-agents', 1, 1_000).optional(),
  taskQueue: z.string().min(1).max(200).optional(),
  system: z.enum(serviceSystems).optional(),
  print: z.boolean().default(false),
});

export function service(program: Command): void {
  const group = program
    .command('service')
    .description('keep this host at work over logouts and reboots, by the services of the system');
  group.action(() => {
    group.outputHelp({ error: true });
    process.exitCode = exitCodes.usage;
  });
  group
    .command('install')
    .description(
      'write a systemd user unit, or a launchd agent, that runs a worker (and the embedded server, unless ' +
        'TEMPORAL_ADDRESS names one), and say how to start it',
    )
    .option('--max-agents <n>', 'at most so many agents on this host (default: 4)')
    .option('--task-queue <name>', "the town's task queue")
    .option('--system <name>', 'systemd or launchd (default: what this platform has)')
    .option('--print', 'print the file instead of writing it')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: unknown) => {
        const { maxAgents, taskQueue, system, print } = parseArgs(options, given, 'service install');
        const { env } = context.io;
        const { planService, writeService } = await import('../service/install.js');
        const kind =
          system ?? ({ linux: 'systemd', darwin: 'launchd' } as const)[process.platform as 'linux' | 'darwin'];
        if (kind === undefined)
          throw usageError(
            `there is no service for ${process.platform}`,
            'run `heartbead up` from a service of your own',
          );
        const planned = planService(kind, {
          home: stateDirectory(env),
          env,
          taskQueue: taskQueue ?? env['HEARTBEAD_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE,
          maxAgents,
        });
        if (!print) await writeService(planned);
        context.print(
          { system: kind, path: planned.path, written: !print, text: planned.text, next: planned.next },
          print ? planned.text.trimEnd() : [`wrote ${planned.path}`, ...planned.next].join('\n'),
        );
        return exitCodes.fine;
      }),
    );
}
