import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { readRecord } from '../../client/records.js';
import { wholeNumber } from '../args.js';
import { CliError, exitCodes, failure, usageError } from '../exit.js';
import { workerFlags } from '../../worker/settings.js';
import { untilInterrupted } from '../../operator/interrupt.js';
import { flag, option, verb } from '../verb.js';

export const board = verb({
  name: 'board',
  description: 'serve the board, a page that shows the fleet and steers it; prints its address',
  options: {
    port: option(
      '--port <port>',
      'of the page (default: the one it had before, else 8234, or another when that is taken)',
      wholeNumber('--port', 1, 65_535).optional(),
    ),
    host: option(
      '--host <address>',
      'listen there (default: 127.0.0.1, which only this machine reaches)',
      z.string().min(1).max(200).optional(),
    ),
    open: flag('--open', 'open it in the browser of this machine'),
    readOnly: flag('--read-only', 'it shows, and changes nothing'),
    trustProxy: flag('--trust-proxy', 'a proxy in front has its own login (docs/board.md)'),
    codecPort: option(
      '--codec-port <port>',
      workerFlags.codecPort.says,
      wholeNumber('--codec-port', 0, 65_535).optional(),
    ),
  },
  run: async (context, _, { port, host, open, readOnly, trustProxy, codecPort }) => {
    const home = stateDirectory(context.io.env);
    const { isAlive } = await import('../local/processes.js');
    const { addressWithToken } = await import('../../board/serve.js');
    const before = await readRecord(home, 'board');
    if (before !== undefined && isAlive(before)) {
      if (port !== undefined || host !== undefined || readOnly || trustProxy || codecPort !== undefined)
        throw usageError(
          `a board of ${home} runs already, at ${before.url} (pid ${before.pid})`,
          'leave the options away to get its address, or end it first (heartbead down, or Ctrl-C where it runs)',
        );
      const url = addressWithToken(before);
      context.print({ state: 'running', url, pid: before.pid }, `board   already up: ${url}`);
      if (open) await openInBrowser(url);
      return exitCodes.fine;
    }
    const { runBoard } = await import('../../board/run.js');
    const { untilLost } = await import('../../board/place.js');
    const { mkdir } = await import('node:fs/promises');
    await mkdir(home, { recursive: true, mode: 0o700 });
    const stop = untilInterrupted();
    const served = await runBoard({
      home,
      env: context.io.env,
      port,
      host,
      readOnly,
      trustProxy,
      codecPort,
      logFile: 'its own standard error',
      log: (line) => context.note(line),
    }).catch((error: unknown) => {
      const { message, cause, code } = error as NodeJS.ErrnoException;
      if ((cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE')
        throw failure(message, 'or leave it away', error);
      if (code !== 'EADDRINUSE') throw error;
      throw failure(`port ${port ?? ''} is taken`, 'choose another --port, or leave it away', error);
    });
    let opened: Opened | undefined;
    try {
      const url = addressWithToken(served);
      const { codecPort: opensAt } = served;
      context.print(
        { state: 'started', url, pid: process.pid, codecPort: opensAt },
        `board   ${url}${opensAt === undefined ? '' : `\ncodec   http://127.0.0.1:${opensAt}`}`,
      );
      context.note('Ctrl-C ends it; whoever has this address may do what the board may do');
      // Whoever looks for it from another machine is not to lose the board for that.
      if (open)
        opened = await openInBrowser(url).catch((error: unknown) => {
          if (!(error instanceof CliError)) throw error;
          context.note(`${error.message}: ${error.next}`);
          return undefined;
        });
      const lost = await untilLost(home, served.record, stop);
      if (lost !== undefined)
        throw failure(`the board has ended: ${lost}`, 'start it again with `heartbead board` if it is wanted');
    } finally {
      await opened?.forget();
      await served.close();
    }
    return exitCodes.fine;
  },
});

interface Opened {
  /** Removes the file by which the browser got the address. */
  forget: () => Promise<void>;
}

/**
 * The address goes by a file of its own: what stands in a command line can be read by everybody on the machine.
 * The file stays until it is forgotten, since the browser reads it some time after its program has returned.
 */
async function openInBrowser(url: string): Promise<Opened> {
  const [{ mkdtemp, rm, writeFile }, { tmpdir }, { join }, { execa }] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:path'),
    import('execa'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'heartbead-board-'));
  const forget = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const file = join(folder, 'board.html');
  await writeFile(file, `<!doctype html><meta http-equiv="refresh" content="0;url=${url}">\n`, { mode: 0o600 });
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  try {
    await execa(program, [file], { stdio: 'ignore', timeout: 10_000 });
  } catch (error) {
    await forget();
    throw failure(`no browser could be opened (${program})`, 'open the address above yourself', error);
  }
  return { forget };
}
