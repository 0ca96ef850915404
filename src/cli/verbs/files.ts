import { z } from 'zod';
import { AttemptReader } from '../../client/attempt-reader.js';
import type { AttemptSource } from '../../client/attempt-reader.js';
import { colouredLine, plainLine, treePathProblem } from '../../contract/index.js';
import { guarded } from '../../edge/schemas.js';
import { hostOf } from '../attempt-place.js';
import type { Context } from '../context.js';
import { exitCodes, failure } from '../exit.js';
import { outBytes } from '../io.js';
import { readWhole } from '../read-whole.js';
import { attempt as attemptOption, oneBead } from '../shared-options.js';
import { argument, verb } from '../verb.js';

interface ListedFile {
  path: string;
  bytes: number;
}

/** Its host reads them, whether that is this machine or another: one way, and one rule of what may be read. */
export const files = verb({
  name: 'files',
  description: "the files of an attempt's working tree, or one of them, from any machine that reaches the server",
  arguments: [oneBead, argument('[path]', 'print this file', guarded(treePathProblem).optional())],
  options: { attempt: attemptOption('of this attempt (default: the newest)') },
  json: 'print one JSON object per file, or per piece of the file (base64)',
  run: async (context, [bead, path], { attempt }) => {
    const { id, host } = await hostOf(context, bead, attempt, 'working tree');
    const town = await context.town();
    const source: AttemptSource = { bead, attempt: id, host, part: path === undefined ? 'files' : 'file', path };
    const reader = new AttemptReader(town, source);
    if (path === undefined) await list(context, reader);
    else await print(context, reader, path);
    return exitCodes.fine;
  },
});

async function list(context: Context, reader: AttemptReader): Promise<void> {
  const text = (await readWhole(reader, 'the list of files')).toString('utf8').trim();
  const listed = z.array(z.object({ path: z.string(), bytes: z.number() }) satisfies z.ZodType<ListedFile>);
  const found = listed.parse(text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as unknown));
  for (const file of found)
    if (context.json) context.printJsonLine(file);
    else context.io.out(`${String(file.bytes).padStart(10)}  ${plainLine(file.path)}`);
}

async function print(context: Context, reader: AttemptReader, path: string): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for (let more = true; more;) {
    const piece = await reader.next();
    if (piece.restarted) throw failure(`${JSON.stringify(path)} was written anew while it was read`, 'ask again');
    more = piece.more;
    if (context.json) context.printJsonLine({ path, base64: piece.data });
    else if (context.io.terminal) {
      const lines = (rest + decoder.decode(piece.bytes, { stream: more })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) context.io.out(colouredLine(line));
    } else await outBytes(piece.bytes);
  }
  if (rest !== '') context.io.out(colouredLine(rest));
}
