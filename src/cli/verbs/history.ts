import { exitCodes } from '../exit.js';
import { dateTime, oneLine, timeOfDay } from '../render/format.js';
import { oneBead } from '../shared-options.js';
import { verb } from '../verb.js';

export const history = verb({
  name: 'history',
  description: "the story of a bead in sentences, from the server's history, over all its runs",
  arguments: [oneBead],
  run: async (context, [bead]) => {
    const { readHistory } = await import('../../client/history.js');
    const { storyOf } = await import('../../domain/telling/story.js');
    const { events, runs, cut } = await readHistory(await context.town(), bead, context.deadline);
    const story = storyOf(events);
    if (cut) context.note('the story begins later than the bead: older runs are no longer on the server');
    const { colors } = context.io;
    let day = '';
    const lines = story.map(({ at, text }) => {
      const date = dateTime(at).slice(0, 10);
      const stamp = date === day ? `           ${timeOfDay(at)}` : dateTime(at);
      day = date;
      return `${colors.dim(stamp)}  ${oneLine(text, 500)}`;
    });
    context.print({ bead, runs, cut, story }, lines.join('\n'));
    return exitCodes.fine;
  },
});
