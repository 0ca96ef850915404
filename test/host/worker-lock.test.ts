import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireWorkerLock, WorkerLockHeldError } from '../../src/host/index.js';
import type { LockHolder, WorkerLock } from '../../src/host/index.js';

const compiled = new URL('../../dist/host/worker-lock.js', import.meta.url).href;

let home: string;
const locks: WorkerLock[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hb-lock-'));
});
afterEach(async () => {
  for (const lock of locks.splice(0)) await lock.release();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(home, { recursive: true, force: true });
});

/** Another process that takes the lock and keeps it; resolves with what it says. */
async function other(): Promise<{ child: ChildProcess; said: string }> {
  const script = `const { acquireWorkerLock } = await import(${JSON.stringify(compiled)});
    try { await acquireWorkerLock(${JSON.stringify(home)}); console.log('held'); setInterval(() => {}, 1e6); } catch (error) { console.log(error.name); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

const take = async (): Promise<WorkerLock> => {
  const lock = await acquireWorkerLock(home);
  locks.push(lock);
  return lock;
};

describe('the lock on a state directory', () => {
  test('a second worker is refused and told who has it', async () => {
    await take();
    const refusal = await acquireWorkerLock(home).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(WorkerLockHeldError);
    expect((refusal as Error).message).toContain(`pid ${process.pid}`);
    expect((refusal as Error).message).toContain('--home');
    expect((await other()).said).toBe('WorkerLockHeldError');
  });

  test('once given back it can be taken at once', async () => {
    await (await take()).release();
    await (await take()).release();
    await take();
  });

  test('the lock of a worker that was killed is taken over', async () => {
    const { child, said } = await other();
    expect(said).toBe('held');
    await expect(take()).rejects.toBeInstanceOf(WorkerLockHeldError);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await take();
  });

  test("of many that take over a dead worker's lock at once exactly one gets it", async () => {
    await writeHolder(7, { pid: 2 ** 22 + 1, startTime: 'gone', machine: 'here', since: 0, ...(await namespace()) });
    const tries = await Promise.allSettled(Array.from({ length: 12 }, take));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await readdir(join(home, 'worker.lock'))).sort()).toEqual(['8']);
  });

  test('a number that was passed long ago cannot be taken any more', async () => {
    // Whoever looked when 1 was held and comes back when 3 is must not end up beside it.
    await (await take()).release();
    await (await take()).release();
    await take();
    expect(await readdir(join(home, 'worker.lock'))).toEqual(['3']);
    await expect(take()).rejects.toBeInstanceOf(WorkerLockHeldError);
  });

  test('a pid of another container says nothing: there the signs of life count', async () => {
    // A pid that lives here, and another one that does not: neither is asked for.
    for (const pid of [process.pid, 2 ** 22 + 1]) {
      await writeHolder(pid, {
        pid,
        startTime: 'of another world',
        pidNamespace: 'pid:[1]',
        machine: 'container',
        since: Date.now(),
      });
      await expect(take()).rejects.toBeInstanceOf(WorkerLockHeldError);
      const file = join(home, 'worker.lock', String(pid));
      const minuteAgo = new Date(Date.now() - 60_000);
      await utimes(file, minuteAgo, minuteAgo);
      const lock = await acquireWorkerLock(home);
      await lock.release();
      await rm(join(home, 'worker.lock'), { recursive: true });
    }
  });

  test("a worker that was taken for dead learns that the directory is another's now", async () => {
    let lostTo: LockHolder | undefined;
    const lost = new Promise<void>((resolve) => {
      void acquireWorkerLock(home, { onLost: (holder) => ((lostTo = holder), resolve()) }).then((lock) =>
        locks.push(lock),
      );
    });
    await expect.poll(() => readdir(join(home, 'worker.lock')).catch(() => [])).toEqual(['1']);
    await writeHolder(2, { pid: 4711, pidNamespace: 'pid:[1]', machine: 'container', since: Date.now() });
    await lost;
    expect(lostTo).toMatchObject({ pid: 4711 });
    // It has no say in the lock any more.
    await locks[0]?.release();
    expect(JSON.parse(await readFile(join(home, 'worker.lock', '2'), 'utf8'))).not.toHaveProperty('released');
  });
});

async function writeHolder(number: number, holder: LockHolder): Promise<void> {
  await mkdir(join(home, 'worker.lock'), { recursive: true });
  await writeFile(join(home, 'worker.lock', String(number)), JSON.stringify(holder));
}

async function namespace(): Promise<Pick<LockHolder, 'pidNamespace'>> {
  const pidNamespace = await readlink('/proc/self/ns/pid').catch(() => undefined);
  return pidNamespace === undefined ? {} : { pidNamespace };
}
