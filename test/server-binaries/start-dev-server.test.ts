import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import getPort from 'get-port';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checkWebPages } from '../../src/cli/doctor/server-checks.js';
import { writeRecord } from '../../src/client/records.js';
import { startDevServer } from '../../src/server/dev-server.js';
import { findDevServer } from '../../src/server/find-dev-server.js';
import { listeningPorts, portsOpenToWebPages } from '../../src/server/http-api.js';
import { retentionDays } from '../../src/server/retention.js';
import { ServerProcess } from '../../src/server/server-process.js';
import { scratchFolder, script } from '../support/scratch.js';
import type { AddressInfo } from 'node:net';
import type { ServerRecord } from '../../src/client/records.js';
import type { DevServer, DevServerOptions } from '../../src/server/dev-server.js';
import type { FoundBinary } from '../../src/server/found-binary.js';

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function start(options: DevServerOptions): Promise<DevServer> {
  const server = await startDevServer(options);
  onTestFinished(() => server.kill());
  return server;
}

async function client(server: DevServer): Promise<Client & { connection: Connection }> {
  const connection = await Connection.connect({ address: server.address });
  onTestFinished(() => connection.close());
  return Object.assign(new Client({ connection, namespace: server.namespace }), { connection });
}

const pretending = (path: string): FoundBinary => ({ path, source: 'env', version: 'none' });

test('it comes up with its Web UI, its own namespace and our search attributes, and stops when told', async () => {
  const server = await start({ namespace: 'town' });
  expect(server.address).toMatch(/^127\.0\.0\.1:\d+$/);
  expect((await fetch(server.uiAddress!)).status).toBe(200);
  const { workflow } = await client(server);
  await workflow.start('nothing', {
    workflowId: 'a',
    taskQueue: 'none',
    searchAttributes: { BeadStatus: ['open'], Rig: ['r'] },
  });
  await vi.waitFor(async () => expect((await workflow.count(`BeadStatus = 'open'`)).count).toBe(1), {
    timeout: 30_000,
  });
  await server.stop();
  expect(isAlive(server.pid)).toBe(false);
  expect(existsSync(server.logFile)).toBe(false);
  await server.stop();
});

test('killed and started again on its file it knows what it knew, at the same address', async () => {
  const dbFile = join(scratchFolder('db'), 'deep/temporal.db');
  const program = await findDevServer();
  const first = await start({ dbFile, uiPort: false, program });
  // It holds every prompt.
  expect(statSync(dbFile).mode & 0o077).toBe(0);
  expect(first.uiAddress).toBeUndefined();
  await (await client(first)).workflow.start('nothing', { workflowId: 'kept', taskQueue: 'none' });
  let ended = false;
  void first.ended.then(() => (ended = true));
  await first.kill();
  expect(ended).toBe(true);
  const again = await start({ dbFile, uiPort: false, program, port: Number(first.address.split(':')[1]) });
  expect(again.address).toBe(first.address);
  expect((await (await client(again)).workflow.getHandle('kept').describe()).status.name).toBe('RUNNING');
});

test('no web page can start a workflow through any port of it', async () => {
  const server = await start({});
  const ports = await listeningPorts(server.pid);
  expect(ports).toContain(Number(server.address.split(':')[1]));
  expect(await portsOpenToWebPages('127.0.0.1', ports, server.namespace)).toEqual([]);
});

test('a server whose HTTP API is open is found out', async () => {
  const { path } = await findDevServer();
  const [port, httpPort] = [await getPort(), await getPort()];
  const server = new ServerProcess(path, [
    ...['server', 'start-dev', '--headless', '--log-level', 'never', '--ip', '127.0.0.1'],
    ...['--port', String(port), '--http-port', String(httpPort)],
  ]);
  onTestFinished(() => server.kill());
  await vi.waitFor(
    async () => expect(await portsOpenToWebPages('127.0.0.1', [port, httpPort], 'default')).toEqual([httpPort]),
    { timeout: 60_000, interval: 200 },
  );
  expect(await listeningPorts(server.pid)).toEqual(expect.arrayContaining([port, httpPort]));
  const home = scratchFolder('open');
  const address = `127.0.0.1:${port}`;
  const town = { address, namespace: 'default', source: 'embedded', home } as Parameters<typeof checkWebPages>[0];
  await writeRecord(home, 'server', { pid: server.pid, startTime: '0', address } as ServerRecord);
  expect(await checkWebPages(town)).toMatchObject({
    verdict: 'fail',
    text: expect.stringMatching(new RegExp(`any web page .* at 127\\.0\\.0\\.1:${httpPort}$`)),
    next: expect.stringContaining('heartbead down'),
  });
});

test('closed beads are kept for a month; what somebody else has chosen stays', async () => {
  const dbFile = join(scratchFolder('kept'), 'temporal.db');
  const first = await start({ dbFile, uiPort: false });
  const { connection } = await client(first);
  expect(await retentionDays(connection, first.namespace)).toBe(30);
  await connection.workflowService.updateNamespace({
    namespace: first.namespace,
    config: { workflowExecutionRetentionTtl: { seconds: (7 * 86_400) as never } },
  });
  await first.stop();
  const again = await start({ dbFile, uiPort: false });
  expect(await retentionDays((await client(again)).connection, again.namespace)).toBe(7);
});

test('a port that is taken is told, with one that is free', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  await expect(startDevServer({ port, program: pretending('/bin/false') })).rejects.toThrow(
    new RegExp(`^port ${port} is taken by another program: end that one, or choose another port \\(\\d+ is free\\)$`),
  );
  await expect(startDevServer({ uiPort: port, program: pretending('/bin/false') })).rejects.toThrow(
    `port ${port} is taken`,
  );
});

test.each([
  [
    'that ends at once',
    `echo 'something is wrong' >&2; exit 1`,
    /does not come up: it ended at once\n {2}something is wrong$/,
  ],
  [
    'whose port was taken meanwhile',
    `echo 'listen tcp 127.0.0.1:1: bind: address already in use' >&2; exit 1`,
    /try again, or choose other ports/,
  ],
  [
    'whose database is used by another one',
    `echo 'database is locked' >&2; exit 1`,
    /Another server uses .*temporal\.db/,
  ],
])('a server %s is told with what it printed', async (_, body, message) => {
  const folder = scratchFolder('bad');
  await expect(
    startDevServer({ dbFile: join(folder, 'temporal.db'), program: pretending(script(join(folder, 'server'), body)) }),
  ).rejects.toThrow(message);
});

test('a program that cannot be run is told', async () => {
  await expect(startDevServer({ program: pretending('/nowhere/temporal') })).rejects.toThrow(
    /\/nowhere\/temporal cannot be started/,
  );
});

test.each(['exit', 'SIGKILL'] as const)(
  'the server ends with the process that started it (%s), unless it is to outlive it',
  async (how) => {
    const folder = scratchFolder('outlive');
    const fake = script(join(folder, 'server'), 'exec sleep 600');
    const compiled = fileURLToPath(new URL('../../dist/server/server-process.js', import.meta.url));
    const logFile = join(folder, 'log');
    const starter = async (outlive: boolean): Promise<number> => {
      const child = spawn(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          `
      import { ServerProcess } from ${JSON.stringify(compiled)};
      const server = new ServerProcess(${JSON.stringify(fake)}, [], ${JSON.stringify({ logFile, outlive })});
      console.log(server.pid);
      process.once('SIGTERM', () => process.exit());
      setInterval(() => undefined, 60_000);`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const pid = Number(await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve)));
      onTestFinished(() => void (isAlive(pid) && process.kill(pid, 'SIGKILL')));
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill(how === 'exit' ? 'SIGTERM' : 'SIGKILL');
      await gone;
      return pid;
    };
    const bound = await starter(false);
    await vi.waitFor(() => expect(isAlive(bound)).toBe(false), { timeout: 60_000 });
    expect(isAlive(await starter(true))).toBe(true);
  },
);
