import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A line to the server that can be cut. */
export interface Line {
  address: string;
  /** Ends all connections and takes no new ones: the server is away. */
  cut(): void;
  /** Takes no new connections; those that are there stay. */
  shut(): void;
  mend(): void;
  /** How many connections were taken so far. */
  readonly taken: number;
}

export async function openLine(to: string): Promise<Line> {
  const [host, port] = to.split(':') as [string, string];
  const sockets = new Set<Socket>();
  let isCut = false;
  let taken = 0;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    taken += 1;
    const far = connect(Number(port), host);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    destroyAll();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      isCut = true;
      destroyAll();
    },
    shut: () => {
      isCut = true;
    },
    mend: () => {
      isCut = false;
    },
    get taken() {
      return taken;
    },
  };
}
