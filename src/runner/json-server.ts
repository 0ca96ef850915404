import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { z } from 'zod';

/** A refusal with a status of its own; its message is the answer's `error`. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    /** 400 bad input, 404 no such thing, 409 not now, 413 too large, 429 too many, 503 try again. */
    readonly status: 400 | 404 | 409 | 413 | 429 | 503,
    message: string,
  ) {
    super(message);
  }
}

/** One thing that can be asked for: takes the body as it came. */
export type Route = (body: unknown) => unknown;
/** By `METHOD /path`. */
export type Routes = Record<string, Route>;

/** A route whose body must be of a shape; what does not fit is refused (400) with a sentence that says where. */
export const route =
  <T>(shape: z.ZodType<T>, handle: (body: T) => unknown): Route =>
  (body) => {
    const parsed = shape.safeParse(body);
    if (!parsed.success) throw new Refusal(400, z.prettifyError(parsed.error));
    return handle(parsed.data);
  };
/** The body of a question. */
export const nothing = z.unknown();

/** More than any text that the contract allows, with room for its JSON. */
const BODY_BYTES = 256 * 1024;
/** Answers on their way are given so long at the end. */
const CLOSE_MS = 2_000;

async function readBody(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // What comes is read to its end all the same: a sender that is cut off would not see why.
    if (bytes <= BODY_BYTES) chunks.push(chunk);
  }
  if (bytes > BODY_BYTES) throw new Refusal(413, `a request has at most ${BODY_BYTES} bytes, this one has ${bytes}`);
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, `the request is not JSON: ${(error as Error).message}`);
  }
}

/**
 * A small HTTP server on a unix socket that speaks JSON: unknown routes 404, bad input 400 with a sentence that says
 * what is wrong.
 */
export class JsonServer {
  private constructor(
    private readonly server: Server,
    readonly path: string,
  ) {}

  /**
   * @param path - of the socket; must be short enough for one. What lies there from an earlier process is removed.
   * @param onTrouble - hears of handlers that failed unexpectedly.
   */
  static async listen(
    path: string,
    routes: Routes,
    onTrouble: (what: string, error: unknown) => void,
  ): Promise<JsonServer> {
    await rm(path, { force: true });
    const server = createServer((req, res) => void answer(req, res, routes, onTrouble));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (error) => onTrouble(path, error));
    await chmod(path, 0o600);
    return new JsonServer(server, path);
  }

  /** Takes no more requests, lets those that are being answered end, and removes the socket. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    const timer = setTimeout(() => this.server.closeAllConnections(), CLOSE_MS);
    await closed;
    clearTimeout(timer);
    await rm(this.path, { force: true });
  }
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  routes: Routes,
  onTrouble: (what: string, error: unknown) => void,
): Promise<void> {
  const name = `${req.method ?? 'GET'} ${(req.url ?? '/').split('?')[0]}`;
  const send = (status: number, body: unknown): void => {
    const text = JSON.stringify(body ?? {});
    res.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      connection: 'close',
    });
    res.end(text);
  };
  try {
    const found = Object.hasOwn(routes, name) ? routes[name] : undefined;
    const body = await readBody(req);
    if (found === undefined) throw new Refusal(404, `there is no ${name}; there are ${Object.keys(routes).join(', ')}`);
    send(200, await found(body));
  } catch (error) {
    if (error instanceof Refusal) {
      send(error.status, { error: error.message });
    } else {
      onTrouble(name, error);
      send(500, { error: `${name} failed: ${error instanceof Error ? error.message : String(error)}` });
    }
  }
}
