import { CommanderError } from 'commander';
import type { Command } from 'commander';

/**
 * Reads the options of one of the project's own tools (`npm run race`, `simulate`, `chaos`).
 * @returns the options; or the exit code with which the tool ends now, since commander has printed the help or said
 * what is wrong.
 */
export function readOptions<Options extends object>(command: Command, argv: string[]): Options | number {
  try {
    return command.exitOverride().parse(argv).opts<Options>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
