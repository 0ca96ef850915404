import type { Command } from 'commander';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

export function retry(program: Command): void {
  program
    .command('retry')
    .description('start a blocked bead again, or end its back-off')
    .argument('<bead>', 'id of the bead')
    .option(
      '--now',
      'do not wait for a host that is out of reach. Only when you know that the host is dead: if it lives on, two agents may work on the bead',
    )
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string, { now }: { now?: boolean }) => {
        const bead = parseArgs(beadArgument, given, 'retry');
        const answer = await (await context.beads()).retry(bead, { now: now === true });
        context.print({ bead, text: answer }, answer);
        return exitCodes.fine;
      }),
    );
}
