import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { exitCodes } from './exit.js';
import { agent } from './verbs/agent.js';
import { cancel } from './verbs/cancel.js';
import { doctor } from './verbs/doctor.js';
import { down } from './verbs/down.js';
import { explain } from './verbs/explain.js';
import { logs } from './verbs/logs.js';
import { ls } from './verbs/ls.js';
import { nudge } from './verbs/nudge.js';
import { pause } from './verbs/pause.js';
import { resume } from './verbs/resume.js';
import { retry } from './verbs/retry.js';
import { show } from './verbs/show.js';
import { sling } from './verbs/sling.js';
import { up } from './verbs/up.js';
import { watch } from './verbs/watch.js';
import { worker } from './verbs/worker.js';

/** In the order of the help: the town, the beads, an operator's hand on them, the machinery. */
const verbs = [up, down, sling, ls, watch, show, explain, logs, nudge, pause, resume, retry, cancel, doctor, worker, agent];

/** @returns the command line with all its verbs. Errors are thrown (`CommanderError`), never printed by commander itself. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  const program = new Command('heartbead')
    .description('Durable orchestration for fleets of coding agents, on Temporal')
    .version(version)
    .option('--timeout <duration>', 'how long a request to the server may take (default: 10s)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText(
      'after',
      `
The server: TEMPORAL_ADDRESS and the other settings of Temporal's tools, else the one that \`heartbead up\` started.
The state directory: HEARTBEAD_HOME. The town's task queue: HEARTBEAD_TASK_QUEUE.
Exit status: ${exitCodes.fine} fine, ${exitCodes.failed} failed, ${exitCodes.usage} usage, ${exitCodes.notFound} not found, ${exitCodes.refused} refused.`,
    );
  for (const verb of verbs) verb(program);
  for (const command of program.commands) inherit(command, program);
  return program;
}

/** Subcommands do not take these over by themselves when they are made by `command()` before the settings. */
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}
