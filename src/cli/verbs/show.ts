import type { Command } from 'commander';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

export function show(program: Command): void {
  program
    .command('show')
    .description('everything about a bead: status, attempts, messages, story')
    .argument('<bead>', 'id of the bead')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string) => {
        const bead = parseArgs(beadArgument, given, 'show');
        const { lookAt } = await import('../../client/look.js');
        const { beadPage } = await import('../render/bead-page.js');
        const look = await lookAt(await context.beads(), bead);
        context.print(
          {
            bead,
            partial: look.view === undefined,
            notes: look.notes,
            state: look.view ?? null,
            execution: look.description,
          },
          beadPage(look, Date.now(), context.io.colors),
        );
        return exitCodes.fine;
      }),
    );
}
