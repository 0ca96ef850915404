import { exitCodes } from '../exit.js';
import { rigName } from '../shared-options.js';
import { argument, verb } from '../verb.js';

export const queue = verb({
  name: 'queue',
  description:
    'the merge queue of a rig: what is being merged, what waits in which order, what became of the last ones',
  arguments: [argument('<rig>', 'its name', rigName)],
  run: async (context, [rig]) => {
    const { queuePage } = await import('../render/rig-page.js');
    const fleet = await context.fleet();
    const [view, atWork] = await Promise.all([fleet.rig(rig), fleet.merges(rig)]);
    context.print(
      { rig, merging: view.merging, atWork, queue: view.queue, merged: view.merged, notMerged: view.notMerged },
      queuePage(view, Date.now(), context.io.colors, atWork),
    );
    return exitCodes.fine;
  },
});
