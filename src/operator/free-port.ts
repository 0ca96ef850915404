import getPort from 'get-port';
import { createServer } from 'node:net';

/**
 * @param wanted ports in order of preference.
 * @returns the first of them that is free on loopback, else any free one. Not reserved: somebody may still be quicker.
 */
export async function freePort(wanted: Iterable<number>): Promise<number> {
  // Not `getPort({ port })`: it locks what it returns, and the server's own check in this process would then call the
  // port taken.
  for (const port of wanted) if (await isFree(port)) return port;
  return getPort({ host: '127.0.0.1' });
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
