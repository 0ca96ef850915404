import { once } from 'node:events';
import { z } from 'zod';
import { AttemptReader } from '../../client/attempt-reader.js';
import type { AttemptSource } from '../../client/attempt-reader.js';
import { colouredLine, plainLine, treePathProblem } from '../../contract/index.js';
import { guarded } from '../../edge/schemas.js';
import { hostIdOf } from '../../client/home.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { beadAccount, placeOf } from '../attempt-place.js';
import type { Elsewhere } from '../attempt-place.js';
import type { Context } from '../context.js';
import { exitCodes, failure } from '../exit.js';
import { attempt as attemptOption, oneBead } from '../shared-options.js';
import { argument, verb } from '../verb.js';

/** A list that changes all the time is begun anew so often, and no longer. */
const mostRestarts = 5;

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
    const place = await placeOf(context, bead, attempt, await beadAccount(context, bead), 'working tree');
    const { id, host } = place instanceof AttemptDir ? await hereOf(place) : place;
    const town = await context.town();
    const source: AttemptSource = { bead, attempt: id, host, part: path === undefined ? 'files' : 'file', path };
    const reader = new AttemptReader(town, source);
    if (path === undefined) await list(context, reader);
    else await print(context, reader, path);
    return exitCodes.fine;
  },
});

async function hereOf({ attempt, home }: AttemptDir): Promise<Elsewhere> {
  return { id: attempt, host: (await hostIdOf(home)) ?? '' };
}

async function list(context: Context, reader: AttemptReader): Promise<void> {
  let pieces: Buffer[] = [];
  let restarts = 0;
  for (let more = true; more;) {
    const piece = await reader.next();
    if (piece.restarted && (restarts += 1) > mostRestarts)
      throw failure('the list of files changes faster than it can be read', 'ask again when the agent rests');
    pieces = piece.restarted ? [piece.bytes] : [...pieces, piece.bytes];
    more = piece.more;
  }
  const listed = z.array(z.object({ path: z.string(), bytes: z.number() }) satisfies z.ZodType<ListedFile>);
  const text = Buffer.concat(pieces).toString('utf8').trim();
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
    } else if (!process.stdout.write(piece.bytes)) await once(process.stdout, 'drain');
  }
  if (rest !== '') context.io.out(colouredLine(rest));
}
