import type { Registry } from 'prom-client';
import { errorMessage } from '../../edge/errors.js';
import { serveHttp } from '../../edge/serve-http.js';
import type { HttpServer } from '../../edge/serve-http.js';

/** Where metrics are served, and where Core serves its own. */
export interface MetricsPlace {
  /** 0 takes a free one. */
  port: number;
  /** An address of this machine; the loopback interface when absent. */
  host?: string | undefined;
  /** On the loopback interface. */
  corePort: number;
}

/** Core answers from memory. */
const coreAnswersWithin = 5_000;

/**
 * Answers `GET /metrics` in Prometheus' text format: what Core counts (pollers, tasks, the sticky cache, and what
 * workflows and activities count through it), and what this process knows of itself and its town.
 * @throws Error when the port is taken.
 */
export async function serveMetrics({
  place: { port, host = '127.0.0.1', corePort },
  registry,
}: {
  place: MetricsPlace;
  registry: Registry;
}): Promise<HttpServer> {
  const whole = async (): Promise<string> => {
    const signal = AbortSignal.timeout(coreAnswersWithin);
    const core = await fetch(`http://127.0.0.1:${corePort}/metrics`, { signal });
    return `${await core.text()}\n${await registry.metrics()}`;
  };
  return serveHttp(
    { port, host },
    (code) => {
      if (code === 'EADDRINUSE') return `the metrics port ${port} is taken: choose another with --metrics-port`;
      if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
        return `${host} is no address of this machine: choose another with --metrics-host`;
      return undefined;
    },
    (request, response) => {
      const path = request.url?.split('?')[0];
      if (path !== '/metrics' || request.method !== 'GET') {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n');
        return;
      }
      whole().then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        (error: unknown) =>
          response
            .writeHead(503, { 'content-type': 'text/plain' })
            .end(`the metrics cannot be gathered: ${errorMessage(error)}\n`),
      );
    },
  );
}
