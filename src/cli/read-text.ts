import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { usageError } from './exit.js';

/**
 * Reads a text from a file, or from stdin for `-`, without ever holding much more than it may have.
 * @param max bytes; a longer text is refused before anything is started.
 * @throws CliError (usage)
 */
export async function readText(file: string, max: number, what: string): Promise<string> {
  const tooLong = (bytes: string) =>
    usageError(
      `${what} has at most ${max} bytes, this one has ${bytes}`,
      'put long material into the repository and name the file',
    );
  const readAll = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > max) throw tooLong(`more than ${max}`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  };
  if (file === '-') {
    if (process.stdin.isTTY)
      throw usageError(
        `${what} was to come from stdin, but stdin is a terminal`,
        'pipe a text into the command, or name a file',
      );
    return decode(await readAll(process.stdin), what);
  }
  try {
    const { size } = await stat(file);
    if (size > max) throw tooLong(String(size));
    // A device or a pipe has no size, and may have no end.
    return decode(await readAll(createReadStream(file)), what);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES' || code === 'ENOTDIR')
      throw usageError(`${what} cannot be read from ${file} (${code})`, 'check the path');
    throw error;
  }
}

function decode(bytes: Buffer, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw usageError(`${what} is not UTF-8 text`, 'convert it first');
    throw error;
  }
}
