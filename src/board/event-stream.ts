import { Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';

/** A browser that reads nothing for so many bytes is cut off; it comes back by itself, and begins with everything. */
const mostBuffered = 16 * 1024 * 1024;
/** Proxies close what is silent for a minute. */
const aliveEvery = 15_000;

/** Server-sent events to one page, compressed where it takes that. */
export class EventStream {
  readonly #out: ReturnType<typeof createGzip> | Readable;
  readonly #gzip: ReturnType<typeof createGzip> | undefined;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(compressed: boolean) {
    this.#gzip = compressed ? createGzip({ level: 5 }) : undefined;
    this.#out = this.#gzip ?? new Readable({ read: () => undefined });
    this.#timer = setInterval(() => this.#write(': alive\n\n'), aliveEvery);
    this.#timer.unref();
  }

  get headers(): Record<string, string> {
    const headers: Record<string, string> = {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    };
    if (this.#gzip !== undefined) headers['content-encoding'] = 'gzip';
    return headers;
  }

  get body(): ReadableStream<Uint8Array> {
    return Readable.toWeb(this.#out) as unknown as ReadableStream<Uint8Array>;
  }

  send(event: string, data: unknown): void {
    this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    if (this.#gzip === undefined) (this.#out as Readable).push(null);
    else this.#gzip.end();
  }

  #write(text: string): void {
    if (this.#closed) return;
    if (this.#out.readableLength > mostBuffered) return this.close();
    if (this.#gzip === undefined) (this.#out as Readable).push(text);
    else {
      this.#gzip.write(text);
      this.#gzip.flush(constants.Z_SYNC_FLUSH);
    }
  }
}
