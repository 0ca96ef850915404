import type { Command } from 'commander';
import { printError } from './context.js';
import { CliError, exitCodes } from './exit.js';

/**
 * What only people do. By name, so that an agent's call, which is to be quick, need not load what the verbs are made
 * of; a test holds this list against them.
 */
export const operatorVerbs = [
  'up',
  'down',
  'board',
  'sling',
  'ls',
  'watch',
  'top',
  'problems',
  'show',
  'explain',
  'history',
  'costs',
  'logs',
  'diff',
  'files',
  'attach',
  'nudge',
  'pause',
  'resume',
  'retry',
  'cancel',
  'approve',
  'request-changes',
  'rig',
  'convoy',
  'queue',
  'import',
  'agent-test',
  'doctor',
  'tidy',
  'replay',
  'notify',
  'completion',
  'backup',
  'restore',
  'service',
  'upgrade',
  'worker',
] as const;

/**
 * An agent that is told to use `heartbead agent …` tries what else there is. Not in its help, and refused with one
 * sentence: this ends accidents. It is no wall against an agent that means to do harm; that is the cell's and the
 * server's business (docs/security.md).
 */
export function operatorsDoThis(program: Command): void {
  for (const name of operatorVerbs)
    program
      .command(name, { hidden: true })
      .argument('[anything...]')
      .allowUnknownOption()
      .action(() => {
        process.exitCode = printError(
          new CliError({
            code: exitCodes.refused,
            message:
              `\`heartbead ${name}\` is for operators, and this is an agent's attempt: agents use \`heartbead ` +
              'agent …`',
            next: 'if a person has to do something, say so with `heartbead agent escalate`',
          }),
          process.argv.includes('--json'),
        );
      });
}
