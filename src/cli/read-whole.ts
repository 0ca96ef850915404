import type { AttemptReader } from '../client/attempt-reader.js';
import { failure } from './exit.js';

/** A text that changes all the time is begun anew so often, and no longer. */
const mostRestarts = 5;

/**
 * @param what is read, for the sentence.
 * @returns all pieces of a text that an agent may change meanwhile, as it was at one moment.
 * @throws CliError when it changes faster than it can be read.
 */
export async function readWhole(reader: AttemptReader, what: string): Promise<Buffer> {
  let pieces: Buffer[] = [];
  let restarts = 0;
  for (let more = true; more;) {
    const piece = await reader.next();
    if (piece.restarted && (restarts += 1) > mostRestarts)
      throw failure(`${what} changes faster than it can be read`, 'ask again when the agent rests');
    pieces = piece.restarted ? [piece.bytes] : [...pieces, piece.bytes];
    more = piece.more;
  }
  return Buffer.concat(pieces);
}
