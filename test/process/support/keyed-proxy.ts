import { createSecureServer, connect, constants } from 'node:http2';
import type { ClientHttp2Session, Http2SecureServer, IncomingHttpHeaders, ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';

const unauthenticated = 16;

/** What is between two gRPC calls and not of the call itself. */
const ofTheCall = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(':') || name === ':path' || name === ':method'),
  );

/** A certificate of its own, and the key to it: files. */
export interface CertificateFiles {
  certificate: string;
  privateKey: string;
}

/** @param name tells its files from others in the folder. */
export async function selfSigned(folder: string, name: string): Promise<CertificateFiles> {
  const [certificate, privateKey] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', privateKey, '-out', certificate],
  ]);
  return { certificate, privateKey };
}

/**
 * A gRPC proxy with TLS in front of a server: it lets through only calls that carry the key of the day, and, where it
 * asks for them, only clients with a certificate that it trusts.
 */
export class KeyedProxy {
  /** The only key that is let through. */
  key: string;
  /** A former one that is let through as well, while it is being replaced. */
  formerKey: string | undefined;
  /** Handshakes that failed: a client without a certificate that is trusted. */
  turnedAway = 0;
  /** Calls that were refused, by their path. */
  readonly refused: string[] = [];
  readonly #sessions = new Set<ServerHttp2Session>();

  private constructor(
    key: string,
    private readonly server: Http2SecureServer,
    private readonly upstream: ClientHttp2Session,
    /** Of the file with its certificate. */
    readonly certificate: string,
    private readonly privateKey: string,
  ) {
    this.key = key;
  }

  /**
   * @param folder takes the certificate and its key.
   * @param clients certificates of the clients that are let through; absent: it asks for none.
   */
  static async to(address: string, key: string, folder: string, clients?: string[]): Promise<KeyedProxy> {
    const { certificate, privateKey } = await selfSigned(folder, 'proxy');
    const server = createSecureServer({
      cert: readFileSync(certificate),
      key: readFileSync(privateKey),
      ca: clients,
      requestCert: clients !== undefined,
      rejectUnauthorized: clients !== undefined,
    });
    const proxy = new KeyedProxy(key, server, connect(`http://${address}`), certificate, privateKey);
    proxy.#listen();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => proxy.close());
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  #listen(): void {
    this.server.on('tlsClientError', () => (this.turnedAway += 1));
    this.server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => session.destroy());
    });
    this.server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      const { authorization } = headers;
      if (authorization !== `Bearer ${this.key}` && authorization !== `Bearer ${this.formerKey ?? this.key}`) {
        this.refused.push(headers[':path'] ?? '');
        const words = { 'grpc-status': String(unauthenticated), 'grpc-message': 'this key is not valid any more' };
        return stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...words }, { endStream: true });
      }
      const call = this.upstream.request(ofTheCall(headers));
      call.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
      stream.on('close', () => call.close(constants.NGHTTP2_CANCEL));
      call.on('response', (answer, flags) => {
        const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
        if (!stream.destroyed) stream.respond(answer, { endStream: ended, waitForTrailers: !ended });
      });
      let trailers: IncomingHttpHeaders = {};
      call.on('trailers', (given) => (trailers = given));
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      stream.pipe(call).pipe(stream);
    });
  }

  /** From now on it lets only these clients in, and ends what there is. */
  trustOnly(clients: string[]): void {
    this.server.setSecureContext({
      cert: readFileSync(this.certificate),
      key: readFileSync(this.privateKey),
      ca: clients,
    });
    this.#cutOff();
  }

  #cutOff(): void {
    for (const session of this.#sessions) session.destroy();
  }

  async close(): Promise<void> {
    this.#cutOff();
    this.upstream.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
