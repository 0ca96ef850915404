import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a process tells over HTTP beside its work. */
export interface HttpServer {
  port: number;
  close(): Promise<void>;
}

/**
 * Answers requests for as long as the process lives.
 * @param port 0 takes a free one.
 * @param problemOf what a code of the system's means to whoever chose the port; what it leaves out is thrown as it is.
 * @throws Error when it cannot listen there.
 */
export async function serveHttp(
  { port, host = '127.0.0.1' }: { port: number; host?: string | undefined },
  problemOf: (code: string | undefined) => string | undefined,
  answer: RequestListener,
): Promise<HttpServer> {
  const server = createServer(answer);
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const problem = problemOf((error as NodeJS.ErrnoException).code);
    if (problem === undefined) throw error;
    throw new Error(problem, { cause: error });
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
