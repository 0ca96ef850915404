import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Cli, finished, lineOf } from './support/cli.js';
import { Repository, goodAgent } from './support/repository.js';
import { environmentOf, processAlive } from '../../src/runner/processes/process.js';
import { allocatorEnvironment } from '../../src/worker/memory.js';

interface Up {
  board: { state: string; url: string; pid: number } | null;
  server: { state: string; address: string; pid: number; uiAddress: string };
  worker: { state: string; pid: number; taskQueue: string; maxAgents: number } | null;
}

let cli: Cli;
let repository: Repository;
beforeAll(() => {
  cli = new Cli({ TEMPORAL_CLI_PATH: inject('devServerProgram') });
  repository = new Repository();
});
afterAll(async () => {
  await cli.run(['down']);
  await cli.end();
  repository.remove();
});

const port = (up: Up): string | undefined => up.server.address.split(':').at(-1);

test('up starts server and worker, which outlive the command; up again changes nothing; a bead can be slung at once', async () => {
  const first = await cli.json<Up>(['up', '--max-agents', '2', '--metrics-port', '0']);
  expect(first).toMatchObject({
    home: cli.home,
    server: { state: 'started', uiAddress: expect.stringMatching(/^http:/) },
    worker: { state: 'started', taskQueue: 'heartbead', maxAgents: 2 },
  });
  expect(processAlive(first.server.pid) && processAlive(first.worker?.pid ?? 0)).toBe(true);
  // glibc cuts its own word of it into pieces while it reads.
  if (process.platform === 'linux')
    expect(environmentOf(first.worker?.pid ?? 0, 'GLIBC_TUNABLES')).toBe(
      allocatorEnvironment.GLIBC_TUNABLES.split(':')[0],
    );
  expect(first.board).toMatchObject({ state: 'started', url: expect.stringMatching(/^http:.*#token=/) });
  const page = await fetch(first.board?.url ?? '');
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<title>Heartbead</title>')]);
  const { checks } = JSON.parse((await cli.run(['doctor', '--json'])).stdout) as {
    checks: { name: string; verdict: string; text: string }[];
  };
  expect(checks.find(({ name }) => name === 'metrics')).toMatchObject({
    verdict: 'ok',
    text: expect.stringMatching(/^served at port \d+: [1-9]\d* series$/),
  });
  const second = await cli.json<Up>(['up']);
  expect(second.board).toMatchObject({ state: 'running', url: first.board?.url, pid: first.board?.pid });
  expect(second).toMatchObject({
    server: { state: 'running', pid: first.server.pid },
    worker: { state: 'running', pid: first.worker?.pid, maxAgents: 2 },
  });
  expect(
    (
      await cli.run([
        'sling',
        'At once',
        '--id',
        'at-once',
        '--repo',
        repository.path,
        '--command',
        goodAgent,
        '--wait',
      ])
    ).code,
  ).toBe(0);
});

test('a port of the worker that is taken is told by up: no worker is called up that ends a moment later', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port: taken } = holder.address() as AddressInfo;
  const other = new Cli({ TEMPORAL_CLI_PATH: inject('devServerProgram') });
  try {
    for (const option of ['--codec-port', '--metrics-port']) {
      const { code, stderr } = await other.run(['up', '--no-board', option, String(taken)]);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining(`port ${taken} is taken: choose another with ${option}`),
      ]);
    }
    // It had not begun to poll: `up` may look in that very moment.
    expect(readFileSync(join(other.home, 'logs', 'worker.log'), 'utf8')).not.toContain('"state":"RUNNING"');
  } finally {
    await other.run(['down']);
    await other.end();
    holder.close();
  }
});

test('down leaves a running agent alive and says so; the next up finds its server at the same address, and the same agent closes its bead', async () => {
  const before = await cli.json<Up>(['up']);
  // Works on through the absence of everybody: until the file appears that is written after the next up.
  const patient = `until [ -e "$HOME/go" ]; do sleep 0.2; done; ${goodAgent}`;
  await cli.json(['sling', 'Patient', '--id', 'patient', '--repo', repository.path, '--command', patient]);
  await expect
    .poll(async () => (await cli.json<{ state: { agent: string } | null }>(['show', 'patient'])).state?.agent, {
      timeout: 60_000,
      interval: 300,
    })
    .toBe('working');
  const down = await cli.json(['down']);
  expect(down).toMatchObject({
    home: cli.home,
    worker: 'stopped',
    server: 'stopped',
    board: 'stopped',
    agentsAlive: [{ bead: 'patient', attempt: expect.any(String) }],
  });
  expect(processAlive(before.server.pid) || processAlive(before.worker?.pid ?? 0)).toBe(false);
  expect((await cli.run(['ls'])).code).toBe(1);
  expect(await cli.json(['down'])).toMatchObject({ worker: 'not running', server: 'not running' });

  const after = await cli.json<Up>(['up']);
  expect([after.server.state, port(after)]).toEqual(['started', port(before)]);
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(cli.home, 'go'), '');
  const shown = async (): Promise<unknown> =>
    (await cli.json<{ state: { status: string; attemptCount: number } | null }>(['show', 'patient'])).state;
  await expect.poll(shown, { timeout: 110_000, interval: 500 }).toMatchObject({ status: 'closed', attemptCount: 1 });
});

test('records name processes by pid and start time, so that nobody else is ever stopped', async () => {
  await cli.json(['up', '--no-worker']);
  const record = JSON.parse(readFileSync(join(cli.home, 'server.json'), 'utf8')) as { pid: number; startTime: string };
  expect(processAlive(record.pid, record.startTime)).toBe(true);
});

test('a port that is taken is an error that names it', async () => {
  const other = new Cli({ TEMPORAL_CLI_PATH: inject('devServerProgram') });
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port: taken } = holder.address() as { port: number };
  try {
    const { code, stderr } = await other.run(['up', '--no-worker', '--port', String(taken)]);
    expect(code).toBe(1);
    expect(stderr).toContain(`port ${taken} is taken`);
    expect(stderr).not.toMatch(/^\s+at .*\(/m);
  } finally {
    holder.close();
    await other.run(['down']);
    await other.end();
  }
});

test('with a configured server, up starts no other, and down stops none', async () => {
  const { address, namespace } = inject('devServer');
  const other = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
  try {
    expect(await other.json<Up>(['up', '--no-worker'])).toMatchObject({
      server: { state: 'configured', address },
      worker: null,
    });
    expect(await other.json(['down'])).toMatchObject({ worker: 'not running', server: 'not running' });
    expect((await other.run(['ls'])).code).toBe(0);
    // Nobody can find the board of a state directory that is gone: it ends by itself.
    const { board } = await other.json<Up>(['up', '--no-worker']);
    rmSync(other.home, { recursive: true });
    await expect.poll(() => processAlive(board?.pid ?? 0), { timeout: 60_000 }).toBe(false);
  } finally {
    await other.end();
  }
});

test('up --foreground stops what it has started when it is interrupted', async () => {
  const other = new Cli({ TEMPORAL_CLI_PATH: inject('devServerProgram') });
  try {
    const up = other.start(['up', '--foreground', '--json']);
    const ended = finished(up);
    await lineOf(up, 'stderr', /Ctrl-C stops it/);
    up.kill('SIGINT');
    const { code, stdout } = await ended;
    const { server, worker } = JSON.parse(stdout) as Up;
    expect(code).toBe(0);
    expect(processAlive(server.pid) || processAlive(worker?.pid ?? 0)).toBe(false);
  } finally {
    await other.run(['down']);
    await other.end();
  }
});
