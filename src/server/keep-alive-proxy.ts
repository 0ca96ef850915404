/**
 * The time-skipping server closes a connection whose client pings it more than twice in five quiet minutes ("excess
 * pings", gRPC's default for servers in Java; the server has no option for it), and loses what it was about to hand out
 * on it: a workflow task of an idle test is lost, and virtual time stands still. The SDK pings every 30 s and cannot be
 * told otherwise for a worker's connection. So the connections lead through this proxy, which answers HTTP/2 pings
 * itself (RFC 9113, 6.7) and passes everything else on.
 * @module
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AddressInfo, Server, Socket } from 'node:net';

/** Every client's first bytes (RFC 9113, 3.4). */
const prefaceBytes = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length;
/** Length (3), type (1), flags (1), stream (4). */
const headerBytes = 9;
const pingType = 0x6;
const acknowledged = 0x1;

/** Passes whole frames on, so that another frame may be put between any two of them. */
class Frames extends Transform {
  #rest: Buffer = Buffer.alloc(0);
  #preface: number;

  /** `onPing` gets a ping that wants an answer; it is not passed on. */
  constructor(
    preface: number,
    private readonly onPing?: (frame: Buffer) => void,
  ) {
    super();
    this.#preface = preface;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#preface > 0) {
      if (this.#rest.length < this.#preface) return done();
      this.#take(this.#preface);
      this.#preface = 0;
    }
    // As many whole frames at once as there are: a write for each would cost more than all the rest.
    let whole = 0;
    for (let length = this.#frameAt(whole); length !== undefined; length = this.#frameAt(whole)) {
      if (this.onPing === undefined || !this.#isPing(whole)) {
        whole += length;
        continue;
      }
      this.#take(whole);
      whole = 0;
      this.onPing(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
    }
    this.#take(whole);
    done();
  }

  /** @returns the length of the frame that begins there, if all of it has come. */
  #frameAt(offset: number): number | undefined {
    if (this.#rest.length < offset + headerBytes) return undefined;
    const length = headerBytes + this.#rest.readUIntBE(offset, 3);
    return this.#rest.length < offset + length ? undefined : length;
  }

  #isPing(offset: number): boolean {
    return this.#rest[offset + 3] === pingType && ((this.#rest[offset + 4] ?? 0) & acknowledged) === 0;
  }

  #take(bytes: number): void {
    if (bytes > 0) this.push(this.#rest.subarray(0, bytes));
    this.#rest = this.#rest.subarray(bytes);
  }
}

export class KeepAliveProxy {
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  /**
   * Listens on a free port of the loopback interface; `target` is a port there, where a server may come up later: until
   * then connections end at once.
   */
  static async open(target: number): Promise<KeepAliveProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new KeepAliveProxy(server);
    server.on('connection', (client) => void proxy.#lead(client, target));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #lead(client: Socket, port: number): Promise<void> {
    const server = connect({ port, host: '127.0.0.1', noDelay: true });
    const back = new Frames(0);
    const forth = new Frames(prefaceBytes, (ping) => {
      const answer = Buffer.from(ping);
      answer[4] = acknowledged;
      back.push(answer);
    });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    // A connection that breaks on one side breaks on the other: the SDK sees it, and connects again.
    await Promise.all([pipeline(client, forth, server), pipeline(server, back, client)]).catch(() => {
      client.destroy();
      server.destroy();
    });
  }
}
