import { Command } from 'commander';
import { packageVersion } from '../version.js';
import { exitCodes } from './exit.js';

/** Adds a verb to the command line. */
export type Verb = (program: Command) => void;

const statuses = [
  `${exitCodes.fine} fine`,
  `${exitCodes.failed} failed`,
  `${exitCodes.usage} usage`,
  `${exitCodes.notFound} not found`,
  `${exitCodes.refused} refused`,
];

/**
 * @returns the command line with these verbs. Errors are thrown (`CommanderError`), never printed by commander itself.
 */
export function createProgram(verbs: Verb[]): Command {
  const program = new Command('heartbead')
    .description('Durable orchestration for fleets of coding agents, on Temporal')
    .version(packageVersion())
    .option('--timeout <duration>', 'how long a request to the server may take (default: 10s)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText(
      'after',
      `
The server: TEMPORAL_ADDRESS and the other settings of Temporal's tools, else the one that \`heartbead up\` started.
The state directory: HEARTBEAD_HOME. The town's task queue: HEARTBEAD_TASK_QUEUE.
Exit status: ${statuses.join(', ')}.`,
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

/** @returns `rig add`: how a command is called, without the program's own name. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}
