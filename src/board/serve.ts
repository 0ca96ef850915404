import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import { Board } from './app.js';
import { PageFiles } from './page-files.js';
import { Safety } from './safety.js';
import { TownLink } from './town-link.js';

export interface ServeOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  /** 0: any that is free. */
  port: number;
  host: string;
  readOnly: boolean;
  trustProxy: boolean;
  version: string;
  log: (line: string) => void;
}

/** A board that listens. */
export interface ServedBoard {
  /** Without the token. */
  url: string;
  token: string;
  port: number;
  close(): Promise<void>;
}

/** @returns the address that a person opens: the token stands behind the `#`, which no browser sends anywhere. */
export const addressWithToken = ({ url, token }: Pick<ServedBoard, 'url' | 'token'>): string => `${url}#token=${token}`;

/** @throws NodeJS.ErrnoException `EADDRINUSE` when the port is taken. */
export async function serveBoard(options: ServeOptions): Promise<ServedBoard> {
  const { host, readOnly, trustProxy, version, home, env, log } = options;
  const files = await PageFiles.read();
  const token = randomBytes(24).toString('base64url');
  const link = new TownLink({ env, home }, log);
  // The port is a part of the rules, and is known when it is listened at.
  const served: { board?: Board } = {};
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = serve(
      {
        fetch: (request, bindings) =>
          served.board?.app.fetch(request, bindings) ?? new Response('starting', { status: 503 }),
        hostname: host,
        port: options.port,
      },
      () => resolve(listening),
    ) as Server;
    listening.once('error', reject);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const safety = new Safety({ token, port, host, readOnly, trustProxy });
  const board = new Board({ link, safety, files, version, readOnly, home, log });
  served.board = board;
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shown}:${port}/`,
    token,
    port,
    close: async () => {
      await board.end();
      server.closeAllConnections();
      await new Promise<void>((resolve, reject) =>
        server.close((error) => (error === undefined ? resolve() : reject(error))),
      );
      await link.close();
    },
  };
}
