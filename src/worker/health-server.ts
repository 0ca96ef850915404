import { serveHttp } from '../edge/serve-http.js';
import type { HttpServer } from '../edge/serve-http.js';

/** What a probe is told. */
export interface Health {
  /** True when all workers of the process poll. */
  healthy: boolean;
  state: string;
  hostId: string;
  /** States of the SDK's workers: `RUNNING` when all is well. */
  workers: string[];
  agents: { living: number; max: number };
  /** Why the host takes no new attempts, though it could; absent when nothing is in the way. */
  obstacle?: string;
}

/**
 * Answers `GET /` with 200 when all is well and 503 when not, as JSON. On the loopback interface only: a probe runs
 * where the worker runs.
 * @param port 0 takes a free one.
 * @throws Error when the port is taken.
 */
export async function serveHealth(port: number, health: () => Health): Promise<HttpServer> {
  return serveHttp(
    { port },
    (code) =>
      code === 'EADDRINUSE' ? `the health port ${port} is taken: choose another with --health-port` : undefined,
    (_request, response) => {
      const now = health();
      response
        .writeHead(now.healthy ? 200 : 503, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(now)}\n`);
    },
  );
}
