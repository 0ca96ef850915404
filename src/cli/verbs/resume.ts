import type { Command } from 'commander';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

export function resume(program: Command): void {
  program
    .command('resume')
    .description('let a paused bead go on')
    .argument('<bead>', 'id of the bead')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string) => {
        const bead = parseArgs(beadArgument, given, 'resume');
        const answer = await (await context.beads()).resume(bead);
        context.print({ bead, text: answer }, answer);
        return exitCodes.fine;
      }),
    );
}
