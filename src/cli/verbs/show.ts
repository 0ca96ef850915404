import { exitCodes } from '../exit.js';
import { oneBead } from '../shared-options.js';
import { oneLine } from '../render/format.js';
import { verb } from '../verb.js';

export const show = verb({
  name: 'show',
  description: 'everything about a bead: status, attempts, messages, story',
  arguments: [oneBead],
  run: async (context, [bead]) => {
    const { lookAt } = await import('../../client/look.js');
    const { beadPage } = await import('../render/bead-page.js');
    const { orPending } = await import('../../operator/surroundings.js');
    const look = await orPending(lookAt(await context.beads(), bead), await context.town(), bead, context.deadline);
    if (Array.isArray(look)) {
      const lines = look.map((line) => oneLine(line, 2_000));
      context.print({ bead, partial: true, notes: lines, state: null, execution: null }, lines.join('\n'));
      return exitCodes.fine;
    }
    if (look.view !== undefined) {
      const { failedTeardowns } = await import('../operators/failed-teardowns.js');
      look.notes.push(...(await failedTeardowns(context, look.view)));
    }
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
  },
});
