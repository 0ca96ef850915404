import type { Command } from 'commander';
import { z } from 'zod';
import { limits } from '../../contract/index.js';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

const feedback = z
  .string()
  .trim()
  .min(1, 'a request for changes needs a text')
  .max(limits.textChars, `it has at most ${limits.textChars} characters`)
  .refine((given) => !given.includes('\0'), 'a request for changes cannot hold a NUL character');

export function approve(program: Command): void {
  program
    .command('approve')
    .description('let the verified work of a bead be merged')
    .argument('<bead>', 'id of the bead')
    .option('--by <name>', 'who approves')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string, { by }: { by?: string }) => {
        const bead = parseArgs(beadArgument, given, 'approve');
        const text = await (await context.beads()).approve(bead, by);
        context.print({ bead, text }, text);
        return exitCodes.fine;
      }),
    );
  program
    .command('request-changes')
    .description('send the work of a bead back with advice, instead of approving it')
    .argument('<bead>', 'id of the bead')
    .argument('<text>', 'what is to be changed')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string, advice: string) => {
        const bead = parseArgs(beadArgument, given, 'request-changes');
        const text = await (await context.beads()).requestChanges(bead, parseArgs(feedback, advice, 'request-changes'));
        context.print({ bead, text }, text);
        return exitCodes.fine;
      }),
    );
}
