import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { printError } from './context.js';
import { exitCodes, usageError } from './exit.js';
import { createProgram, pathOf } from './program.js';
import type { Verb } from './program.js';

/** Runs the command line of this process with these verbs; the exit status is set when it resolves. */
export async function run(verbs: Verb[]): Promise<void> {
  // A reader that has seen enough (`heartbead ls | head`) is no failure.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? exitCodes.fine);
      throw error;
    });
  }
  const program = createProgram(verbs);
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error, program);
  }
}

/** @returns the verb that was meant, as far as there is one: its help tells more than that of the whole program. */
function meant(program: Command): string {
  let command = program;
  for (const word of process.argv.slice(2)) {
    const found = command.commands.find((child) => child.name() === word);
    if (found === undefined) break;
    command = found;
  }
  return ['heartbead', pathOf(command), '--help'].filter((word) => word !== '').join(' ');
}

function exitCodeOf(error: unknown, program: Command): number {
  const json = process.argv.includes('--json');
  if (!(error instanceof CommanderError)) return printError(error, json);
  // Help and version end by an exception as well. Without any verb commander shows the help: that is a mistake, not a
  // wish.
  if (error.exitCode === 0) return exitCodes.fine;
  if (error.code === 'commander.help') return exitCodes.usage;
  return printError(
    usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '), `see \`${meant(program)}\``),
    json,
  );
}
