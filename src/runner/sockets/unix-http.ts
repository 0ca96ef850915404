import { request } from 'node:http';

/** A request over a unix socket. */
export interface UnixRequest {
  socketPath: string;
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
  /** Milliseconds of silence after which it is given up. */
  timeoutMs: number;
}

export interface UnixAnswer {
  status: number;
  /** Parsed JSON; undefined when the body was empty. */
  body: unknown;
}

/** Nobody listens at the socket: it is not there, or whoever made it is gone. */
export class SocketGoneError extends Error {
  override readonly name = 'SocketGoneError';
}

const gone = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTSOCK']);

/**
 * Sends JSON to a unix socket and reads the JSON answer.
 * @throws SocketGoneError when nobody answers there; Error when the answer is not JSON or does not come in time.
 */
export function unixRequest({ socketPath, method, path, body, timeoutMs }: UnixRequest): Promise<UnixAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      reject(
        gone.has(code) ? new SocketGoneError(`nobody answers at ${socketPath} (${code})`, { cause: error }) : error,
      );
    };
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const req = request({ socketPath, method, path, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', fail);
      res.on('end', () => {
        const answer = Buffer.concat(chunks).toString('utf8');
        try {
          resolve({ status: res.statusCode ?? 0, body: answer === '' ? undefined : JSON.parse(answer) });
        } catch (error) {
          reject(new Error(`the answer of ${socketPath}${path} is not JSON`, { cause: error }));
        }
      });
    });
    req.setTimeout(timeoutMs, () =>
      req.destroy(new Error(`no answer from ${socketPath}${path} within ${timeoutMs} ms`)),
    );
    req.on('error', fail);
    req.end(text);
  });
}

/** @returns the sentence of an `{error}` body. */
export function refusalText(body: unknown): string {
  const error = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)['error'] : undefined;
  return typeof error === 'string' ? error : 'no reason was given';
}
