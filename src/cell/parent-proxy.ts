import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { parts } from './destinations.js';

/** A proxy without which this host itself gets nowhere. */
export interface ParentProxy {
  host: string;
  port: number;
  /** What it wants to hear of who asks. */
  authorization: string | undefined;
}

type Environment = Readonly<Partial<Record<string, string>>>;

/**
 * @returns the proxy by which a destination is reached, as the variables of a worker name it (`HTTPS_PROXY` for
 * tunnels, `HTTP_PROXY` for plain requests; `NO_PROXY` lists what goes without), or undefined. Pure.
 */
export function parentProxy(
  kind: 'http' | 'https',
  host: string,
  port: number,
  env: Environment,
): ParentProxy | undefined {
  const variable = (name: string): string => env[name.toLowerCase()] ?? env[name] ?? '';
  const url = variable(kind === 'https' ? 'HTTPS_PROXY' : 'HTTP_PROXY') || variable('ALL_PROXY');
  // A proxy behind TLS or SOCKS is another one to speak to; without a word it would be gone around.
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:') return undefined;
  if (/^(?:localhost|127\..*|::1)$/.test(host) || without(variable('NO_PROXY'), host, port)) return undefined;
  const { hostname, port: given, username, password } = new URL(url);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: given === '' ? 80 : Number(given),
    authorization: username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

const without = (list: string, host: string, port: number): boolean =>
  list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const { name, port: only } = parts(entry);
      if (only !== undefined && only !== port) return false;
      const suffix = name.replace(/^\*?\.?/, '');
      return name === '*' || host.toLowerCase() === suffix || host.toLowerCase().endsWith(`.${suffix}`);
    });

/** More than any proxy has to say before a tunnel is open. */
const mostHeader = 16_384;

/**
 * @param made hears of the connection at once, so that it can be ended with the gate.
 * @returns a connection to a destination by way of the proxy.
 * @throws Error that says what the proxy has answered.
 */
export function tunnelBy(
  proxy: ParentProxy,
  authority: string,
  withinMs: number,
  made: (socket: Socket) => Socket,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = made(connect({ host: proxy.host, port: proxy.port }));
    const words = `the proxy ${proxy.host}:${proxy.port} of this host`;
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`${words} ${why}`));
    };
    socket.setTimeout(withinMs, () => fail('did not answer'));
    const broken = (error: Error): void => fail(`cannot be reached: ${error.message}`);
    const gone = (): void => fail('hung up');
    socket.once('error', broken);
    socket.once('close', gone);
    socket.once('connect', () => {
      const who = proxy.authorization === undefined ? '' : `proxy-authorization: ${proxy.authorization}\r\n`;
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${who}\r\n`);
    });
    let heard = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      heard = Buffer.concat([heard, chunk]);
      const end = heard.indexOf('\r\n\r\n');
      if (end < 0) {
        if (heard.length > mostHeader) fail('does not speak HTTP');
        return;
      }
      const [status = ''] = heard.toString('latin1', 0, end).split('\r\n');
      if (!/^HTTP\/1\.[01] 2\d\d/.test(status)) return fail(`answers ${status.slice(0, 200)}`);
      socket.off('data', read);
      socket.off('close', gone);
      socket.off('error', broken);
      socket.setTimeout(0);
      socket.pause();
      const rest = heard.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    };
    socket.on('data', read);
  });
}
