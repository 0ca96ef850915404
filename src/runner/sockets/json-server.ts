import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { z } from 'zod';
import { errorMessage, isMissing } from '../../edge/errors.js';
import { RequestRefused } from './request-refused.js';

/** One thing that can be asked for: takes the body as it came. */
export type Route = (body: unknown) => unknown;
/** By `METHOD /path`. */
export type Routes = Record<string, Route>;

/** A route whose body must be of a shape; what does not fit is refused (400) with a sentence that says where. */
export const route =
  <T>(shape: z.ZodType<T>, handle: (body: T) => unknown): Route =>
  (body) => {
    const parsed = shape.safeParse(body);
    if (!parsed.success) throw new RequestRefused(400, z.prettifyError(parsed.error));
    return handle(parsed.data);
  };
/** The body of a question. */
export const nothing = z.unknown();

/** More than any text that the contract allows, with room for its JSON. */
const bodyBytes = 256 * 1024;
/** Answers on their way are given so long at the end. */
const closeMs = 2_000;

async function readBody(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // What comes is read to its end all the same: a sender that is cut off would not see why.
    if (bytes <= bodyBytes) chunks.push(chunk);
  }
  if (bytes > bodyBytes)
    throw new RequestRefused(413, `a request has at most ${bodyBytes} bytes, this one has ${bytes}`);
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RequestRefused(400, `the request is not JSON: ${(error as Error).message}`);
  }
}

/**
 * An agent and its tools have a handful open; the descriptors of the runner, which has its lease to keep, are not an
 * agent's to use up. What is more is closed at once.
 */
const mostConnections = 256;

function serverOf(handle: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const server = createServer(handle);
  server.maxConnections = mostConnections;
  return server;
}

/**
 * A small HTTP server on a unix socket that speaks JSON: unknown routes 404, bad input 400 with a sentence that says
 * what is wrong.
 */
export class JsonServer {
  #server: Server;
  /** What tells the socket that this server has bound from another process's in its place. */
  #socket: string | undefined;
  #rebinding: Promise<boolean> | undefined;
  #closed = false;

  private constructor(
    readonly path: string,
    private readonly handle: (req: IncomingMessage, res: ServerResponse) => void,
    private readonly onTrouble: (what: string, error: unknown) => void,
  ) {
    this.#server = serverOf(handle);
  }

  /**
   * @param path of the socket; must be short enough for one. What lies there from an earlier process is removed.
   * @param onTrouble hears of handlers that failed unexpectedly.
   */
  static async listen(
    path: string,
    routes: Routes,
    onTrouble: (what: string, error: unknown) => void,
  ): Promise<JsonServer> {
    const server = new JsonServer(path, (req, res) => void answer(req, res, routes, onTrouble), onTrouble);
    await server.#bind();
    return server;
  }

  /**
   * Binds the socket again when it is gone or not ours any more: an agent that tidies up, or a cleaner of `/tmp`, takes
   * the way in that pause, stop and adoption need.
   * @returns whether it had to be bound again.
   */
  rebindIfLost(): Promise<boolean> {
    this.#rebinding ??= this.#rebind().finally(() => (this.#rebinding = undefined));
    return this.#rebinding;
  }

  /** Takes no more requests, lets those that are being answered end, and removes the socket. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#rebinding?.catch(() => undefined);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), closeMs);
    await closed;
    clearTimeout(timer);
    await rm(this.path, { force: true });
  }

  async #rebind(): Promise<boolean> {
    if (this.#closed || (await socketAt(this.path)) === this.#socket) return false;
    const lost = this.#server;
    // What it is answering it answers to the end. Closing it removes whatever has its name.
    lost.close();
    await makeFolder(dirname(this.path));
    this.#server = serverOf(this.handle);
    await this.#bind();
    return true;
  }

  async #bind(): Promise<void> {
    const server = this.#server;
    await rm(this.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.path, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (error) => this.onTrouble(this.path, error));
    await chmod(this.path, 0o600);
    this.#socket = await socketAt(this.path);
  }
}

/**
 * @returns what tells one socket from another of the same name; undefined when there is none. The number of an inode
 * alone does not: the next file may get it at once.
 */
async function socketAt(path: string): Promise<string | undefined> {
  try {
    const found = await lstat(path, { bigint: true });
    return found.isSocket() ? `${found.dev}/${found.ino}/${found.birthtimeNs}` : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** @throws Error when somebody else has made it meanwhile, who could then take the agent's calls. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const { uid } = await lstat(path);
    if (uid !== process.getuid?.())
      throw new Error(`${path} belongs to another user: no socket is made in it`, { cause: error });
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
    if (found === undefined)
      throw new RequestRefused(404, `there is no ${name}; there are ${Object.keys(routes).join(', ')}`);
    send(200, await found(body));
  } catch (error) {
    if (error instanceof RequestRefused) {
      send(error.status, { error: error.message });
    } else {
      onTrouble(name, error);
      send(500, { error: `${name} failed: ${errorMessage(error)}` });
    }
  }
}
