import type { Command } from 'commander';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes, failure } from '../exit.js';

export function cancel(program: Command): void {
  program
    .command('cancel')
    .description("end a bead: its agent is stopped, the agent's work saved and pushed, then the bead is cancelled")
    .argument('<bead>', 'id of the bead')
    .option('--wait', 'return only when the bead has ended and no process of its agent is left')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string, { wait }: { wait?: boolean }) => {
        const bead = parseArgs(beadArgument, given, 'cancel');
        const beads = await context.beads();
        await beads.cancel(bead);
        if (wait !== true) {
          context.print(
            { bead, requested: true },
            `cancellation of ${bead} was asked for; \`heartbead show ${bead}\` tells when its agent is gone`,
          );
          return exitCodes.fine;
        }
        const { WaitProgress, waitForBead } = await import('../wait.js');
        const progress = new WaitProgress(bead, context.io);
        const end = await waitForBead(beads, bead, { onLook: progress.show, untilBlocked: false }).finally(() =>
          progress.done(),
        );
        if (end.status !== 'cancelled')
          throw failure(
            `bead ${bead} was not cancelled: it ended ${end.status} (${end.reason})`,
            `see \`heartbead show ${bead}\``,
          );
        context.print(
          { bead, requested: true, status: end.status, reason: end.reason },
          `${bead} is cancelled: ${end.reason}`,
        );
        return exitCodes.fine;
      }),
    );
}
