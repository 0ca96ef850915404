import type { Command } from 'commander';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

export function pause(program: Command): void {
  program
    .command('pause')
    .description("freeze a bead's agent and its clocks; a bead without an agent starts none")
    .argument('<bead>', 'id of the bead')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string) => {
        const bead = parseArgs(beadArgument, given, 'pause');
        const answer = await (await context.beads()).pause(bead);
        context.print({ bead, text: answer }, answer);
        return exitCodes.fine;
      }),
    );
}
