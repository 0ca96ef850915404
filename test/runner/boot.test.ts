import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { bootRunner, processAlive, processStartTime } from '../../src/runner/index.js';
import { compiledFile } from '../../src/package/compiled.js';
import { until } from '../support/until.js';
import { openLine } from './support/tcp-proxy.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const agent = { adapter: 'shell', command: 'touch spawned; sleep 600' };

interface Process {
  pid: number;
  startTime: string;
}

/** The runner's process that has been booted for the attempt, whether it has begun or not. */
function bootedFor({ dir }: Attempt): Process | undefined {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  const pid = Number.parseInt(lines.find((line) => line.endsWith(`runner/main.bundle.js ${dir.path}`)) ?? '', 10);
  const startTime = processStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

const booted = async (attempt: Attempt): Promise<Process> => {
  const found = await until('a booted runner', () => bootedFor(attempt));
  onTestFinished(() => {
    if (processAlive(found.pid, found.startTime)) process.kill(found.pid, 'SIGKILL');
  });
  return found;
};

const gone = ({ pid, startTime }: Process): Promise<unknown> =>
  until('the end of the runner', () => !processAlive(pid, startTime));

/** A runner that begins takes the lock first, then tells the disk and the bead. */
async function untouched(attempt: Attempt): Promise<void> {
  expect(existsSync(attempt.dir.lock)).toBe(false);
  expect(await attempt.dir.readRunner()).toBeUndefined();
  expect(await attempt.heard()).toEqual([]);
  expect(existsSync(join(attempt.dir.worktree, 'spawned'))).toBe(false);
}

describe('a runner that is booted while its workspace is prepared', () => {
  test('begins when it is told to', async () => {
    const attempt = await town.attempt({ agent });
    const runner = bootRunner(attempt.dir);
    const { pid } = await booted(attempt);
    await untouched(attempt);
    expect(await runner.begin()).toEqual({ fenced: true, pid });
    await until('the agent', () => existsSync(join(attempt.dir.worktree, 'spawned')));
  });

  test('has connected by then, and goes on with that connection', async () => {
    const line = await openLine(inject('devServer').address);
    const attempt = await town.attempt({ agent, address: line.address });
    const runner = bootRunner(attempt.dir, await attempt.dir.readConnection());
    await until('a connection', () => line.taken === 1);
    await untouched(attempt);
    expect(await runner.begin()).toMatchObject({ fenced: true });
    await until('the agent', () => existsSync(join(attempt.dir.worktree, 'spawned')));
    expect(line.taken).toBe(1);
  });

  test('begins by the connection that lies in its folder then, also where the one it had tried leads nowhere', async () => {
    const attempt = await town.attempt({ agent });
    const before = { namespace: 'nowhere', address: '127.0.0.1:1' };
    expect(await bootRunner(attempt.dir, before).begin()).toMatchObject({ fenced: true });
    await until('the agent', () => existsSync(join(attempt.dir.worktree, 'spawned')));
  });

  test('ends by itself, without having touched anything, when it is dismissed', async () => {
    const attempt = await town.attempt({ agent });
    const runner = bootRunner(attempt.dir);
    const standby = await booted(attempt);
    runner.dismiss();
    await gone(standby);
    await untouched(attempt);
  });

  test('also when whoever has booted it is killed', async () => {
    const attempt = await town.attempt({ agent });
    const runner = JSON.stringify(pathToFileURL(compiledFile('runner/index')).href);
    const script = `const { AttemptDir, bootRunner } = await import(${runner});
      bootRunner(new AttemptDir(process.argv[1])); setInterval(() => undefined, 1000);`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', script, attempt.dir.path], {
      stdio: 'inherit',
    });
    onTestFinished(() => void worker.kill('SIGKILL'));
    const standby = await booted(attempt);
    worker.kill('SIGKILL');
    await gone(standby);
    await untouched(attempt);
  });

  test('says so when it has died before', async () => {
    const attempt = await town.attempt({ agent });
    const runner = bootRunner(attempt.dir);
    const standby = await booted(attempt);
    process.kill(standby.pid, 'SIGKILL');
    await gone(standby);
    expect(await runner.begin()).toMatchObject({
      fenced: false,
      because: 'failed',
      refused: expect.stringContaining('the runner ended before the fence') as unknown,
    });
    await untouched(attempt);
  });
});
