import { explain as explainState, verdict } from '../../domain/bead/explain.js';
import { exitCodes } from '../exit.js';
import { oneLine } from '../render/format.js';
import { oneBead } from '../shared-options.js';
import { verb } from '../verb.js';

export const explain = verb({
  name: 'explain',
  description: 'in plain words: why a bead is in its state, what it waits for, what happens next',
  arguments: [oneBead],
  run: async (context, [bead]) => {
    const { lookAt } = await import('../../client/look.js');
    const { endedAs } = await import('../../client/beads.js');
    const { pendingSentence } = await import('../../operator/doing.js');
    const { orPending, surroundingsOf } = await import('../../operator/surroundings.js');
    const { whyNotRunning } = await import('../../domain/telling/why-not.js');
    const town = await context.town();
    const look = await orPending(lookAt(await context.beads(), bead), town, bead, context.deadline);
    if (Array.isArray(look)) {
      const lines = look.map((line) => oneLine(line, 2_000));
      context.print({ bead, verdict: 'not started', lines, partial: false, notes: [] }, lines.join('\n'));
      return exitCodes.fine;
    }
    const { description, view, notes } = look;
    const around = description.execution === 'RUNNING' ? await surroundingsOf(town, view, context.deadline) : undefined;
    // Where a workflow was ended from outside, the bead's own verdict would be a claim about something that no
    // longer runs.
    const ended = description.ending !== undefined;
    const word =
      view === undefined || ended
        ? description.execution === 'RUNNING'
          ? (description.status ?? 'open')
          : endedAs(description)
        : verdict(view);
    const lines =
      view === undefined
        ? [
            `${bead}: ${word}`,
            ...(around?.hosts?.up.length === 0
              ? [
                  `running: not known, no worker polls ${around.taskQueue}; an agent that runs goes on ` +
                    '(heartbead up starts a worker)',
                ]
              : []),
            ...description.pendingActivities.map((activity) => pendingSentence(activity, Date.now())),
          ]
        : withAnswer(
            explainState(view, Date.now()),
            ended ? [] : whyNotRunning(view, around ?? { now: Date.now(), taskQueue: town.taskQueue }),
          );
    const { colors } = context.io;
    const [first = '', ...rest] = lines.map((line) => oneLine(line, 2_000));
    context.print(
      { bead, verdict: word, lines, partial: view === undefined, notes },
      [...notes.map((note) => colors.yellow(`note: ${note}`)), colors.bold(first), ...rest].join('\n'),
    );
    return exitCodes.fine;
  },
});

/** The answer to "why is this not running?" stands right below the verdict and its reason. */
const withAnswer = (lines: string[], answer: string[]): string[] => [
  ...lines.slice(0, 2),
  ...answer,
  ...lines.slice(2),
];
