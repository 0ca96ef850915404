import { CommanderError } from 'commander';
import { printError } from './context.js';
import { exitCodes, usageError } from './exit.js';
import { createProgram } from './program.js';
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
  try {
    await createProgram(verbs).parseAsync(process.argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

function exitCodeOf(error: unknown): number {
  const json = process.argv.includes('--json');
  if (!(error instanceof CommanderError)) return printError(error, json);
  // Help and version end by an exception as well. Without any verb commander shows the help: that is a mistake, not a
  // wish.
  if (error.exitCode === 0) return exitCodes.fine;
  if (error.code === 'commander.help') return exitCodes.usage;
  return printError(
    usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '), 'see `heartbead --help`'),
    json,
  );
}
