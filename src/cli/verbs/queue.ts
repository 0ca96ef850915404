import type { Command } from 'commander';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

export function queue(program: Command): void {
  program
    .command('queue')
    .description(
      'the merge queue of a rig: what is being merged, what waits in which order, what became of the last ones',
    )
    .argument('<rig>', 'its name')
    .option('--json', 'print JSON')
    .action(
      action(async (context, rig: string) => {
        const { queuePage } = await import('../render/rig-page.js');
        const fleet = await context.fleet();
        const [view, atWork] = await Promise.all([fleet.rig(rig), fleet.merges(rig)]);
        context.print(
          { rig, merging: view.merging, atWork, queue: view.queue, merged: view.merged, notMerged: view.notMerged },
          queuePage(view, context.io.colors, atWork),
        );
        return exitCodes.fine;
      }),
    );
}
