import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { connectionSettings } from '../../../src/client/connect.js';
import { whyNoAnswer } from '../../../src/client/why-no-answer.js';
import type { NoAnswer } from '../../../src/client/why-no-answer.js';
import { selfSigned } from '../../process/support/keyed-proxy.js';
import { scratchFolder } from '../../support/scratch.js';

let folder: string;
beforeEach(() => {
  folder = scratchFolder('no-answer');
});

async function listening(server: Server): Promise<string> {
  server.on('connection', (socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const withTls = (options: TlsOptions): Promise<string> =>
  listening(createTlsServer({ ALPNProtocols: ['h2'], ...options }).on('tlsClientError', () => undefined));

/** As a person has it: variables, read by the same code. */
async function asked(address: string, more: Record<string, string> = {}): Promise<NoAnswer | undefined> {
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_CONFIG_FILE: join(folder, 'none.toml'), ...more };
  return whyNoAnswer((await connectionSettings({ env, home: folder })).options);
}

test('nobody listens, or there is no such host', async () => {
  const server = createServer();
  const address = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  expect(await asked(address)).toEqual({ why: 'nothing listens there' });
  expect((await asked('no-such-host.invalid:7233'))?.why).toBe('no host is called no-such-host.invalid');
});

test('a server that speaks what is configured has nothing wrong with the way to it', async () => {
  const { certificate, privateKey } = await selfSigned(folder, 'server');
  const address = await withTls({ cert: readFileSync(certificate), key: readFileSync(privateKey) });
  expect(await asked(address, { TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificate })).toBeUndefined();
  expect(await asked(await listening(createServer((socket) => socket.end('no TLS'))))).toBeUndefined();
});

test('TLS on one side only, in either direction', async () => {
  const { certificate, privateKey } = await selfSigned(folder, 'server');
  const secure = await withTls({ cert: readFileSync(certificate), key: readFileSync(privateKey) });
  expect(await asked(secure)).toMatchObject({ why: 'it speaks TLS, and none is configured' });
  const plain = await listening(createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  expect(await asked(plain, { TEMPORAL_TLS: 'true' })).toMatchObject({ why: 'it speaks no TLS, which is configured' });
});

test("a server's certificate that another authority made, or that is for another name", async () => {
  const [own, other] = [await selfSigned(folder, 'server'), await selfSigned(folder, 'other')];
  const address = await withTls({ cert: readFileSync(own.certificate), key: readFileSync(own.privateKey) });
  const wrong: Record<string, string>[] = [
    { TEMPORAL_TLS: 'true' },
    { TEMPORAL_TLS_SERVER_CA_CERT_PATH: other.certificate },
    { TEMPORAL_TLS_SERVER_CA_CERT_PATH: own.certificate, TEMPORAL_TLS_SERVER_NAME: 'temporal.example' },
  ];
  for (const more of wrong)
    expect(await asked(address, more)).toEqual({
      why: expect.stringMatching(/^its certificate is refused: /) as string,
      next: expect.stringContaining('TEMPORAL_TLS_SERVER_CA_CERT_PATH') as string,
    });
});

test('a certificate of ours that the server refuses, or that is missing', async () => {
  const [own, known, other] = await Promise.all(['server', 'known', 'other'].map((name) => selfSigned(folder, name)));
  const address = await withTls({
    cert: readFileSync(own!.certificate),
    key: readFileSync(own!.privateKey),
    ca: readFileSync(known!.certificate),
    requestCert: true,
    rejectUnauthorized: true,
  });
  const ca = { TEMPORAL_TLS_SERVER_CA_CERT_PATH: own!.certificate };
  const pair = ({ certificate, privateKey }: typeof other & object): Record<string, string> => ({
    TEMPORAL_TLS_CLIENT_CERT_PATH: certificate,
    TEMPORAL_TLS_CLIENT_KEY_PATH: privateKey,
  });
  expect(await asked(address, { ...ca, ...pair(known!) })).toBeUndefined();
  for (const more of [ca, { ...ca, ...pair(other!) }])
    expect((await asked(address, more))?.why).toMatch(/^it refuses our certificate/);
});

test('a file that holds no certificate, and one that is not there', async () => {
  const address = await listening(createServer());
  const path = join(folder, 'ca.pem');
  await expect(asked(address, { TEMPORAL_TLS_SERVER_CA_CERT_PATH: path })).rejects.toThrow(
    `a file that the Temporal configuration names cannot be read: ${path} (ENOENT)`,
  );
  writeFileSync(path, 'no certificate');
  writeFileSync(join(folder, 'key.pem'), 'no key');
  expect(
    await asked(address, {
      TEMPORAL_TLS_CLIENT_CERT_PATH: path,
      TEMPORAL_TLS_CLIENT_KEY_PATH: join(folder, 'key.pem'),
    }),
  ).toEqual({
    why: expect.stringMatching(/cannot be used/) as string,
    next: expect.stringContaining('files') as string,
  });
});
