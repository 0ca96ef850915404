import type { IncomingMessage } from 'node:http';
import { codecEndpoint } from './endpoint.js';
import type { CodecEndpointOptions } from './endpoint.js';
import { serveHttp } from '../edge/serve-http.js';
import type { HttpServer } from '../edge/serve-http.js';

/**
 * Serves the codec endpoint on the loopback interface.
 * @param port 0 takes a free one.
 * @throws Error when the port is taken.
 */
export function serveCodec(port: number, options: CodecEndpointOptions): Promise<HttpServer> {
  const answer = codecEndpoint(options);
  return serveHttp(
    { port },
    (code) => (code === 'EADDRINUSE' ? `the codec port ${port} is taken: choose another with --codec-port` : undefined),
    (request, response) => {
      answer({
        method: request.method ?? '',
        path: new URL(request.url ?? '/', 'http://localhost').pathname,
        header: (name) => headerOf(request, name),
        body: (most) => bodyOf(request, most),
      }).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        // Nothing of a payload may stand in an answer to whoever it was not meant for.
        () => response.writeHead(500, { 'content-type': 'text/plain' }).end('the codec failed\n'),
      );
    },
  );
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

async function bodyOf(request: IncomingMessage, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > most) throw new RangeError(`the body has more than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
