import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { compiledFile } from '../../src/package/compiled.js';
import { bootRunner, processAlive, processStartTime, SpareRunner } from '../../src/runner/index.js';
import type { RunnerConnection } from '../../src/runner/index.js';
import { scratchFolder } from '../support/scratch.js';
import { until } from '../support/until.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const agent = { adapter: 'shell', command: 'touch spawned; sleep 600' };
const onLinux = { skip: process.platform !== 'linux' };

interface Waiting {
  pid: number;
  startTime: string;
}

const known = (pid: number | undefined): Waiting => {
  const startTime = processStartTime(pid ?? 0);
  if (pid === undefined || startTime === undefined) throw new Error(`there is no process ${pid}`);
  onTestFinished(() => {
    if (processAlive(pid, startTime)) process.kill(pid, 'SIGKILL');
  });
  return { pid, startTime };
};

const alive = ({ pid, startTime }: Waiting): boolean => processAlive(pid, startTime);
const gone = (waiting: Waiting): Promise<unknown> => until('the end of the runner', () => !alive(waiting));

const warnings: string[] = [];
const spareIn = ({ dir }: Attempt, connection?: () => RunnerConnection): SpareRunner => {
  const warn = (...said: unknown[]): void => void warnings.push(JSON.stringify(said));
  const spare = new SpareRunner(dir.home, { warn }, connection);
  onTestFinished(() => spare.close());
  return spare;
};

const stocked = (attempt: Attempt): { spare: SpareRunner; waiting: Waiting; output: string } => {
  const spare = spareIn(attempt);
  spare.stock();
  return { spare, waiting: known(spare.pid), output: join(attempt.dir.home, 'spare-runner.out') };
};

/** What of a process a fresh runner and one that waited may not differ in. */
function circumstances(pid: number): Record<string, unknown> {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [, ppid, group, session, terminal] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const link = (name: string): string => readlinkSync(`/proc/${pid}/${name}`);
  return {
    ppid,
    ownGroup: group === String(pid),
    ownSession: session === String(pid),
    terminal,
    environment: readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').sort(),
    limits: readFileSync(`/proc/${pid}/limits`, 'utf8'),
    cgroup: readFileSync(`/proc/${pid}/cgroup`, 'utf8'),
    program: link('exe'),
    // By their names within the folders of their attempts.
    output: [link('fd/1').split('/').at(-1), link('fd/2').split('/').at(-1)],
  };
}

/** A process of its own, which can be killed. */
function worker(script: string, { dir }: Attempt): { child: ChildProcess; said: () => string } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, dir.path]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return { child, said: () => said };
}

describe('a runner that waits to be told its attempt', () => {
  test('is the one that begins, and is what a fresh one would be', onLinux, async () => {
    const [one, other] = [await town.attempt({ agent }), await town.attempt({ agent })];
    const { spare, waiting, output } = stocked(one);
    const begun = spare.boot(one.dir);
    expect(existsSync(output)).toBe(false);
    expect(await begun.begin()).toEqual({ fenced: true, pid: waiting.pid });
    await until('the agent', () => existsSync(join(one.dir.worktree, 'spawned')));
    const fresh = await bootRunner(other.dir).begin();
    if (!fresh.fenced) throw new Error(fresh.refused);
    expect(circumstances(waiting.pid)).toEqual(circumstances(fresh.pid));
    expect(readlinkSync(`/proc/${waiting.pid}/cwd`)).toBe(one.dir.path);
    expect(readlinkSync(`/proc/${waiting.pid}/fd/2`)).toBe(one.dir.file('runner.out'));
    expect(statSync(one.dir.file('runner.out')).mode & 0o777).toBe(0o600);
  });

  test('connects before it has an attempt, and goes another way when that is another one by then', async () => {
    const attempt = await town.attempt({ agent });
    const former = createServer();
    const reached = new Promise<Socket>((resolve) => former.once('connection', resolve));
    await new Promise<void>((resolve) => former.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void former.close());
    const { port } = former.address() as AddressInfo;
    const spare = spareIn(attempt, () => ({ address: `127.0.0.1:${port}`, namespace: 'former' }));
    spare.stock();
    const waiting = known(spare.pid);
    const socket = await reached;
    onTestFinished(() => void socket.destroy());
    expect(await spare.boot(attempt.dir).begin()).toEqual({ fenced: true, pid: waiting.pid });
  });

  test('has nothing of the attempt in its arguments, and touches nothing before it is told to begin', async () => {
    const attempt = await town.attempt({ agent });
    const { spare, waiting } = stocked(attempt);
    spare.boot(attempt.dir);
    const said = execFileSync('ps', ['-o', 'args=', '-p', String(waiting.pid)], { encoding: 'utf8' });
    expect(said.trim()).toMatch(/runner\/main\.bundle\.js --spare$/);
    expect(existsSync(attempt.dir.lock)).toBe(false);
    expect(await attempt.dir.readRunner()).toBeUndefined();
    expect(await attempt.heard()).toEqual([]);
  });

  test('ends by itself when its worker does not need it any more', async () => {
    const attempt = await town.attempt({ agent });
    const { spare, waiting, output } = stocked(attempt);
    spare.close();
    await gone(waiting);
    expect(existsSync(output)).toBe(false);
    spare.stock();
    expect(spare.pid).toBeUndefined();
  });

  test.each([
    ['before it has an attempt', ''],
    ['when it has one, and was not told to begin', 'spare.boot(new AttemptDir(process.argv[1]));'],
  ])('ends by itself when its worker is killed %s', async (_, then) => {
    const attempt = await town.attempt({ agent });
    const runner = JSON.stringify(pathToFileURL(compiledFile('runner/index')).href);
    const script = `const { AttemptDir, SpareRunner } = await import(${runner});
      const dir = new AttemptDir(process.argv[1]); const spare = new SpareRunner(dir.home, console); spare.stock();
      console.log(spare.pid); ${then} setInterval(() => undefined, 1000);`;
    const { child, said } = worker(script, attempt);
    const waiting = known(Number(await until('its pid', () => /^(\d+)\n/.exec(said())?.[1])));
    child.kill('SIGKILL');
    await gone(waiting);
    expect(existsSync(attempt.dir.lock)).toBe(false);
    expect(existsSync(join(attempt.dir.worktree, 'spawned'))).toBe(false);
  });

  test('goes on with its attempt when its worker is killed after it was told to begin', async () => {
    const attempt = await town.attempt({ agent });
    const runner = JSON.stringify(pathToFileURL(compiledFile('runner/index')).href);
    const script = `const { AttemptDir, SpareRunner } = await import(${runner});
      const dir = new AttemptDir(process.argv[1]); const spare = new SpareRunner(dir.home, console); spare.stock();
      console.log(JSON.stringify(await spare.boot(dir).begin())); setInterval(() => undefined, 1000);`;
    const { child, said } = worker(script, attempt);
    const answer = JSON.parse(await until('its answer', () => /^(.*)\n/.exec(said())?.[1])) as { pid: number };
    expect(answer).toMatchObject({ fenced: true });
    const begun = known(answer.pid);
    child.kill('SIGKILL');
    await until('the end of the worker', () => child.signalCode !== null);
    const ended = performance.now();
    await until('the agent', () => existsSync(join(attempt.dir.worktree, 'spawned')));
    await until('a beat of after that', async () => (await attempt.status()).leaseAgeMs < performance.now() - ended);
    expect(alive(begun)).toBe(true);
  });

  test.each([
    ['while it waits', true],
    ['when it has an attempt, and was not told to begin', false],
  ])('is replaced by a fresh one when it is killed %s', async (_, early) => {
    const attempt = await town.attempt({ agent });
    const { spare, waiting } = stocked(attempt);
    if (!early) {
      const runner = spare.boot(attempt.dir);
      process.kill(waiting.pid, 'SIGKILL');
      await gone(waiting);
      const answer = await runner.begin();
      expect(answer).toMatchObject({ fenced: true });
      expect(answer).not.toMatchObject({ pid: waiting.pid });
      return;
    }
    process.kill(waiting.pid, 'SIGKILL');
    await until('its end is known', () => spare.pid === undefined);
    expect(await spare.boot(attempt.dir).begin()).toMatchObject({ fenced: true });
  });

  test('is not used when the variables of its worker have changed', async () => {
    const attempt = await town.attempt({ agent });
    const { spare, waiting } = stocked(attempt);
    process.env['HEARTBEAD_TEST_OF_SPARES'] = 'another word';
    onTestFinished(() => void delete process.env['HEARTBEAD_TEST_OF_SPARES']);
    const answer = await spare.boot(attempt.dir).begin();
    expect(answer).toMatchObject({ fenced: true });
    expect(answer).not.toMatchObject({ pid: waiting.pid });
    await gone(waiting);
  });

  test('is not used when another build has taken the place of its own', async () => {
    const attempt = await town.attempt({ agent });
    // A build of the test's own: the real one serves other tests at this moment.
    const folder = scratchFolder('build', onTestFinished);
    mkdirSync(join(folder, 'dist'));
    const top = fileURLToPath(new URL('../../', import.meta.url));
    cpSync(join(top, 'dist'), join(folder, 'dist'), { recursive: true });
    cpSync(join(top, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(top, 'node_modules'), join(folder, 'node_modules'));
    const runner = JSON.stringify(pathToFileURL(join(folder, 'dist/runner/index.js')).href);
    const script = `const { utimesSync } = await import('node:fs');
      const { AttemptDir, SpareRunner } = await import(${runner});
      const dir = new AttemptDir(process.argv[1]); const spare = new SpareRunner(dir.home, console); spare.stock();
      console.log(spare.pid);
      utimesSync(${JSON.stringify(join(folder, 'dist/runner/main.bundle.js'))}, new Date(), new Date(1));
      console.log(JSON.stringify(await spare.boot(dir).begin()));
      setInterval(() => undefined, 1000);`;
    const { said } = worker(script, attempt);
    const waiting = Number(await until('its pid', () => /^(\d+)\n/.exec(said())?.[1]));
    const answer: unknown = JSON.parse(await until('its answer', () => /\n(.*)\n/.exec(said())?.[1]));
    expect(answer).toMatchObject({ fenced: true });
    expect(answer).not.toMatchObject({ pid: waiting });
    await until('the end of the runner', () => processStartTime(waiting) === undefined);
  });

  test('is kept for another attempt where an earlier runner has left its last words', async () => {
    const [again, next] = [await town.attempt({ agent }), await town.attempt({ agent })];
    const { spare, waiting } = stocked(again);
    const first = bootRunner(again.dir);
    first.dismiss();
    const answer = await spare.boot(again.dir).begin();
    expect(answer).toMatchObject({ fenced: true });
    expect(answer).not.toMatchObject({ pid: waiting.pid });
    expect(alive(waiting)).toBe(true);
    expect(await spare.boot(next.dir).begin()).toEqual({ fenced: true, pid: waiting.pid });
  });

  test('is followed by the next one when its attempt has begun', async () => {
    const attempt = await town.attempt({ agent });
    const { spare, waiting } = stocked(attempt);
    await spare.boot(attempt.dir).begin();
    const next = known(await until('the next one', () => spare.pid));
    expect(next.pid).not.toBe(waiting.pid);
    expect(alive(next)).toBe(true);
  });
});
