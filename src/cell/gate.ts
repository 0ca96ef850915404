import { lookup } from 'node:dns/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BlockList, connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage } from '../edge/errors.js';
import { covers } from './destinations.js';
import { parentProxy, tunnelBy } from './parent-proxy.js';
import type { ParentProxy } from './parent-proxy.js';
import type { CellPlan } from './types.js';

/** The way out of a cell that has a list of hosts: a proxy outside of it, at a socket that is shown inside. */
export interface Gate {
  socket: string;
  close(): Promise<void>;
}

export interface GateOptions {
  /**
   * Host names, `*.example.org` for all below one, `*` for every host of the internet; each with `:port` or without.
   */
  allow: readonly string[];
  /** Hears of each refused host once, as `host:port`. */
  onRefused(destination: string): void;
  /** Variables of the host, which may name a proxy of its own. */
  env: Readonly<NodeJS.ProcessEnv>;
}

/**
 * A package manager has some dozens open at once. Each takes two descriptors of the runner, which are not an agent's to
 * use up. What is more is closed at once.
 */
const mostConnections = 1_000;
/** An agent may ask for names without end. */
const refusedKept = 100;
const connectWithin = 30_000;

/**
 * What a name must not lead to that only a pattern allows: the server of the town listens on loopback, and a provider
 * of clouds hands out keys at a link-local address.
 */
const inner = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  inner.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  inner.addSubnet(net, prefix, 'ipv6');

/** @returns the entry that allows a destination, or undefined. Pure. */
export function allowedBy(allow: readonly string[], host: string, port: number): string | undefined {
  const destination = `${host.replace(/\.$/, '')}:${port}`;
  return allow.find((entry) => covers(entry, destination));
}

/** @returns whether an address is of this machine or its own net. */
export function isInner(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return inner.check(mapped, isIP(mapped) === 6 ? 'ipv6' : 'ipv4');
}

/** @returns the gate of a plan that lists hosts, or undefined for any other plan. */
export async function openGate(
  plan: CellPlan | { refused: string },
  onRefused: (destination: string) => void,
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): Promise<Gate | undefined> {
  if ('refused' in plan || plan.launcher !== 'sandbox' || typeof plan.network === 'string') return undefined;
  return listen({ allow: plan.network.allow, onRefused, env });
}

async function listen({ allow, onRefused, env }: GateOptions): Promise<Gate> {
  // Short, whatever the state directory is called: the path of a socket has some hundred letters.
  const folder = await mkdtemp(join(tmpdir(), 'hb-gate-'));
  const socket = join(folder, 'gate.sock');
  const told = new Set<string>();
  const refuse = (destination: string): void => {
    if (told.size >= refusedKept || told.has(destination)) return;
    told.add(destination);
    onRefused(destination);
  };
  /** @throws Refused */
  const wayTo = async (kind: 'http' | 'https', host: string, port: number): Promise<Way> => {
    const entry = allowedBy(allow, host, port);
    if (entry === undefined) throw new Refused(host, port);
    const parent = parentProxy(kind, host, port, env);
    // A pattern is held against the address, so that it does not lead to the host's own net.
    if (parent !== undefined && !entry.startsWith('*')) return { parent };
    const address = await lookup(host).then(
      (found) => found.address,
      (error: unknown) => {
        // Behind a proxy of its own a host often knows no names of the world; the proxy does.
        if (parent === undefined || isIP(host) !== 0) throw error;
        return undefined;
      },
    );
    if (entry.startsWith('*') && address !== undefined && isInner(address)) throw new Refused(host, port);
    return parent === undefined ? { address: address ?? host } : { parent };
  };
  const sockets = new Set<Socket>();
  const kept = (made: Socket): Socket => {
    sockets.add(made);
    made.once('close', () => sockets.delete(made));
    return made;
  };
  const server = createServer((req, res) => {
    forward(req, res, wayTo).catch((error: unknown) => {
      if (error instanceof Refused) refuse(error.destination);
      res
        .writeHead(error instanceof Refused ? 403 : 502, { 'content-type': 'text/plain' })
        .end(`${errorMessage(error)}\n`);
    });
  });
  server.maxConnections = mostConnections;
  server.on('connection', (made: Socket) => void kept(made));
  server.on('connect', (req: IncomingMessage, client: Socket, head: Buffer) => {
    client.on('error', () => client.destroy());
    tunnel(req.url ?? '', client, head, wayTo, kept).catch((error: unknown) => {
      if (error instanceof Refused) refuse(error.destination);
      client.end(
        `HTTP/1.1 ${error instanceof Refused ? '403 Forbidden' : '502 Bad Gateway'}\r\ncontent-type: ` +
          `text/plain\r\n\r\n${errorMessage(error)}\n`,
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return {
    socket,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const made of sockets) made.destroy();
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

class Refused extends Error {
  readonly destination: string;
  constructor(host: string, port: number) {
    super(`the sandbox lets nobody out to ${host}:${port} (\`network\` in cell.json of this host)`);
    this.destination = `${host}:${port}`;
  }
}

type Way = { address: string } | { parent: ParentProxy };
type WayTo = (kind: 'http' | 'https', host: string, port: number) => Promise<Way>;

async function tunnel(
  authority: string,
  client: Socket,
  head: Buffer,
  wayTo: WayTo,
  kept: (made: Socket) => Socket,
): Promise<void> {
  const { hostname, port } = new URL(`http://${authority}`);
  const wanted = port === '' ? 80 : Number(port);
  const host = hostname.replace(/^\[|\]$/g, '');
  const way = await wayTo('https', host, wanted);
  const remote =
    'parent' in way
      ? await tunnelBy(way.parent, `${hostname}:${wanted}`, connectWithin, kept)
      : await straight(way.address, wanted, authority, kept);
  remote.on('error', () => client.destroy());
  client.once('close', () => remote.destroy());
  client.write('HTTP/1.1 200 Connection established\r\n\r\n');
  if (head.length > 0) remote.write(head);
  client.pipe(remote).pipe(client);
}

async function straight(
  address: string,
  port: number,
  authority: string,
  kept: (made: Socket) => Socket,
): Promise<Socket> {
  const remote = kept(connect({ host: address, port }));
  await new Promise<void>((resolve, reject) => {
    remote.setTimeout(connectWithin, () => remote.destroy(new Error(`${authority} did not answer`)));
    remote.once('error', reject);
    remote.once('connect', resolve);
  });
  remote.setTimeout(0);
  return remote;
}

/** A request without TLS, as a proxy gets it: its path is a whole URL. */
async function forward(req: IncomingMessage, res: ServerResponse, wayTo: WayTo): Promise<void> {
  const url = new URL(req.url ?? '');
  if (url.protocol !== 'http:') throw new Error(`a proxy takes http URLs, not ${url.protocol}`);
  const port = url.port === '' ? 80 : Number(url.port);
  const way = await wayTo('http', url.hostname.replace(/^\[|\]$/g, ''), port);
  const next =
    'parent' in way
      ? {
          ...{ host: way.parent.host, port: way.parent.port, path: url.href },
          proxy: way.parent.authorization === undefined ? {} : { 'proxy-authorization': way.parent.authorization },
        }
      : { host: way.address, port, path: `${url.pathname}${url.search}`, proxy: {} };
  const { 'proxy-connection': _, 'proxy-authorization': ___, connection: __, ...headers } = req.headers;
  await new Promise<void>((resolve, reject) => {
    const onward = request(
      {
        host: next.host,
        port: next.port,
        method: req.method,
        path: next.path,
        headers: { ...headers, ...next.proxy, host: url.host },
      },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
        answer.once('end', resolve);
        answer.once('error', reject);
      },
    );
    onward.once('error', reject);
    req.pipe(onward);
  });
}
