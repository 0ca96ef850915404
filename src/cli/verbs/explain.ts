import type { Command } from 'commander';
import { explain as explainState, verdict } from '../../domain/explain.js';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';
import { oneLine } from '../render/format.js';

export function explain(program: Command): void {
  program
    .command('explain')
    .description('in plain words: why a bead is in its state, what it waits for, what happens next')
    .argument('<bead>', 'id of the bead')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: string) => {
        const bead = parseArgs(beadArgument, given, 'explain');
        const { lookAt } = await import('../../client/look.js');
        const { endedAs } = await import('../../client/beads.js');
        const { pendingSentence } = await import('../render/bead-page.js');
        const { description, view, notes } = await lookAt(await context.beads(), bead);
        // Of a workflow that was ended from outside, the bead's own verdict would be a claim about something that no longer runs.
        const ended = description.ending !== undefined;
        const word = view === undefined || ended ? (description.execution === 'RUNNING' ? (description.status ?? 'open') : endedAs(description)) : verdict(view);
        const lines =
          view === undefined
            ? [`${bead}: ${word}`, ...description.pendingActivities.map((activity) => pendingSentence(activity, Date.now()))]
            : explainState(view, Date.now());
        const { colors } = context.io;
        const [first = '', ...rest] = lines.map((line) => oneLine(line, 2_000));
        context.print({ bead, verdict: word, lines, partial: view === undefined, notes }, [...notes.map((note) => colors.yellow(`note: ${note}`)), colors.bold(first), ...rest].join('\n'));
        return exitCodes.fine;
      }),
    );
}
