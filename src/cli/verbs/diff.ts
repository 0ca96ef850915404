import { AttemptReader } from '../../client/attempt-reader.js';
import { colouredLine } from '../../contract/index.js';
import { hostOf } from '../attempt-place.js';
import { exitCodes } from '../exit.js';
import { outBytes } from '../io.js';
import { readWhole } from '../read-whole.js';
import { attempt as attemptOption, oneBead } from '../shared-options.js';
import { verb } from '../verb.js';

/** Its host answers, whether that is this machine or another: it alone has the working tree and the mirror. */
export const diff = verb({
  name: 'diff',
  description: 'what an attempt has changed so far, from any machine that reaches the server',
  arguments: [oneBead],
  options: { attempt: attemptOption('of this attempt (default: the newest)') },
  run: async (context, [bead], { attempt }) => {
    const { id, host } = await hostOf(context, bead, attempt, 'working tree');
    const reader = new AttemptReader(await context.town(), { bead, attempt: id, host, part: 'diff' });
    const bytes = await readWhole(reader, `the diff of bead ${bead}`);
    const text = bytes.toString('utf8');
    if (context.json) context.print({ bead, attempt: id, host, diff: text }, text);
    else if (bytes.length === 0) context.note(`attempt ${id} of bead ${bead} has changed nothing so far`);
    else if (context.io.terminal) for (const line of text.trimEnd().split('\n')) context.io.out(colouredLine(line));
    else await outBytes(bytes);
    return exitCodes.fine;
  },
});
