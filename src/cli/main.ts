/**
 * The `heartbead` command. Imported by `bin/heartbead.mjs`, it runs at once.
 * @module
 */
import { CommanderError } from 'commander';
import { printError } from './context.js';
import { exitCodes, usageError } from './exit.js';
import { createProgram } from './program.js';

// A reader that has seen enough (`heartbead ls | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? exitCodes.fine);
    throw error;
  });
}

// Agents call in often: their verbs are loaded alone, which takes a third of the time.
const verbs =
  process.argv[2] === 'agent' ? [(await import('./verbs/agent.js')).agent] : (await import('./verbs/index.js')).verbs;
const program = createProgram(verbs);
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end by an exception as well. Without any verb commander shows the help: that is a mistake, not a
    // wish.
    if (error.exitCode === 0) process.exitCode = exitCodes.fine;
    else if (error.code === 'commander.help') process.exitCode = exitCodes.usage;
    else
      process.exitCode = printError(
        usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '), 'see `heartbead --help`'),
        process.argv.includes('--json'),
      );
  } else process.exitCode = printError(error, process.argv.includes('--json'));
}
