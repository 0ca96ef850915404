import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { KeepAliveProxy } from '../../../src/server/keep-alive-proxy.js';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** An HTTP/2 frame: length (3), type (1), flags (1), stream (4), payload. */
function frame(type: number, flags: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  return Buffer.concat([header, payload]);
}
const ping = (payload: string, flags = 0): Buffer => frame(6, flags, Buffer.from(payload.padEnd(8)));
const data = (text: string): Buffer => frame(0, 0, Buffer.from(text));

/** All that arrives, and a wait for so many bytes of it. */
function received(socket: Socket): (bytes: number) => Promise<Buffer> {
  let all: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    all = Buffer.concat([all, chunk]);
    socket.emit('more');
  });
  return async (bytes) => {
    while (all.length < bytes) await once(socket, 'more');
    return all;
  };
}

async function connected(): Promise<{ client: Socket; server: Socket }> {
  const listening = createServer();
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const accepted = once(listening, 'connection') as Promise<[Socket]>;
  const proxy = await KeepAliveProxy.open((listening.address() as AddressInfo).port);
  onTestFinished(async () => {
    await proxy.close();
    listening.close();
  });
  const client = connect(proxy.port, '127.0.0.1');
  client.on('error', () => undefined);
  const [server] = await accepted;
  return { client, server };
}

test('a ping is answered by the proxy and never reaches the server; all else passes in order', async () => {
  const { client, server } = await connected();
  const [atServer, atClient] = [received(server), received(client)];
  client.write(Buffer.concat([preface, data('one'), ping('alive?'), data('two'), ping('answered', 1)]));
  expect(await atClient(17)).toEqual(ping('alive?', 1));
  const expected = Buffer.concat([preface, data('one'), data('two'), ping('answered', 1)]);
  expect(await atServer(expected.length)).toEqual(expected);
  server.write(ping('server?'));
  expect(await atClient(34)).toEqual(Buffer.concat([ping('alive?', 1), ping('server?')]));
});

test('an answer never lands inside a frame of the server, wherever the network cuts it', async () => {
  const { client, server } = await connected();
  const atClient = received(client);
  const long = data('x'.repeat(1_000));
  server.write(long.subarray(0, 300));
  const bytes = Buffer.concat([preface, ping('now')]);
  const atServer = received(server);
  for (const byte of bytes) client.write(Buffer.from([byte]));
  expect(await atClient(17)).toEqual(ping('now', 1));
  expect(await atServer(preface.length)).toEqual(preface);
  server.write(long.subarray(300));
  expect(await atClient(17 + long.length)).toEqual(Buffer.concat([ping('now', 1), long]));
});

test('a connection that one side ends is ended on the other', async () => {
  const { client, server } = await connected();
  client.write(preface);
  await received(server)(preface.length);
  server.destroy();
  await once(client, 'close');
});
