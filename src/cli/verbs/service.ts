import { mkdir } from 'node:fs/promises';
import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { DEFAULT_TASK_QUEUE } from '../../contract/index.js';
import { exitCodes, usageError } from '../exit.js';
import { serviceSystems } from '../service/systems.js';
import { taskQueue } from '../shared-options.js';
import { flag, option, verb, verbGroup } from '../verb.js';
import { workerOptions } from '../worker-options.js';

const install = verb({
  name: 'install',
  description:
    'write a systemd user unit, or a launchd agent, that runs a worker and a board (and the embedded server, ' +
    'unless TEMPORAL_ADDRESS names one), and say how to start it',
  options: {
    board: option('--no-board', 'no board', z.boolean().default(true)),
    maxAgents: workerOptions.maxAgents,
    startLimit: workerOptions.startLimit,
    taskQueue,
    versioning: workerOptions.versioning,
    metricsPort: workerOptions.metricsPort,
    metricsHost: workerOptions.metricsHost,
    codecPort: workerOptions.codecPort,
    system: option(
      '--system <name>',
      'systemd or launchd (default: what this platform has)',
      z.enum(serviceSystems, { error: `--system is one of ${serviceSystems.join(', ')}` }).optional(),
    ),
    print: flag('--print', 'print the file instead of writing it'),
  },
  run: async (context, _, { board, taskQueue, system, print, ...flags }) => {
    const { env } = context.io;
    const { planService, writeService } = await import('../service/install.js');
    const kind = system ?? ({ linux: 'systemd', darwin: 'launchd' } as const)[process.platform as 'linux' | 'darwin'];
    if (kind === undefined)
      throw usageError(`there is no service for ${process.platform}`, 'run `heartbead up` from a service of your own');
    const home = stateDirectory(env);
    const planned = planService(kind, {
      home,
      env,
      taskQueue: taskQueue ?? env['HEARTBEAD_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE,
      flags,
      board,
    });
    if (!print) {
      // A service that could not begin in it would fail where nobody looks.
      await mkdir(home, { recursive: true, mode: 0o700 });
      await writeService(planned);
    }
    context.print(
      { system: kind, path: planned.path, written: !print, text: planned.text, next: planned.next },
      print ? planned.text.trimEnd() : [`wrote ${planned.path}`, ...planned.next].join('\n'),
    );
    return exitCodes.fine;
  },
});

export const service = verbGroup(
  'service',
  'keep this host at work over logouts and reboots, by the services of the system',
  [install],
);
