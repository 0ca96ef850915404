import type { Command } from 'commander';
import { completionScript, shells } from '../completion.js';
import { action } from '../context.js';
import { exitCodes, usageError } from '../exit.js';

export function completion(program: Command): void {
  program
    .command('completion')
    .description('a completion script for your shell: source <(heartbead completion bash)')
    .argument('<shell>', shells.join(', '))
    .action(
      action(async (context, given: string) => {
        const shell = shells.find((known) => known === given);
        if (shell === undefined) throw usageError(`there is no completion for ${JSON.stringify(given)}; there is one for ${shells.join(', ')}`, 'see `heartbead completion --help`');
        context.io.out(completionScript(program, shell).trimEnd());
        return Promise.resolve(exitCodes.fine);
      }),
    );
}
