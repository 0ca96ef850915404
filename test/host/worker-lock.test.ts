import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireWorkerLock, WorkerLockHeldError } from '../../src/host/index.js';
import type { WorkerLockHolder, WorkerLock } from '../../src/host/index.js';
import { ownPlace } from '../../src/runner/index.js';

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
    try {
      await acquireWorkerLock(${JSON.stringify(home)});
      console.log('held');
      setInterval(() => {}, 1e6);
    } catch (error) { console.log(error.name); }`;
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

  test('a pid of another machine says nothing either, though the first pid namespace is the same on each', async () => {
    const other = { ...ownPlace(), machine: 'other', machineId: 'another-machine', boot: 'another-boot' };
    // Of a process that does not live here, and may well live there.
    await writeHolder(3, { ...other, pid: 2 ** 22 + 1, startTime: 'of another world', since: Date.now() });
    await expect(take()).rejects.toThrow(/on other/);
    const minuteAgo = new Date(Date.now() - 60_000);
    await utimes(join(home, 'worker.lock', '3'), minuteAgo, minuteAgo);
    await take();
  });

  test.each(['', '{"pid":', 'null', '{}'])(
    'a lock that a power cut has left as %j is told by name, and keeps nobody out once it is silent',
    async (content) => {
      await mkdir(join(home, 'worker.lock'));
      const file = join(home, 'worker.lock', '4');
      await writeFile(file, content);
      const refused = await acquireWorkerLock(home).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(WorkerLockHeldError);
      expect((refused as Error).message).toContain(file);
      const minuteAgo = new Date(Date.now() - 60_000);
      await utimes(file, minuteAgo, minuteAgo);
      await take();
      expect(await readdir(join(home, 'worker.lock'))).toEqual(['5']);
    },
  );

  const losing = (): { why: Promise<string>; taken: Promise<void> } => {
    let lost: (why: string) => void = () => undefined;
    const why = new Promise<string>((resolve) => (lost = resolve));
    return {
      why,
      taken: acquireWorkerLock(home, { onLost: (told) => lost(told) }).then((lock) => void locks.push(lock)),
    };
  };

  test("a worker that was taken for dead learns that the directory is another's now", async () => {
    const { why, taken } = losing();
    await taken;
    await writeHolder(2, { pid: 4711, pidNamespace: 'pid:[1]', machine: 'container', since: Date.now() });
    expect(await why).toContain('pid 4711 on container');
    // It has no say in the lock any more.
    await locks[0]?.release();
    expect(JSON.parse(await readFile(join(home, 'worker.lock', '2'), 'utf8'))).not.toHaveProperty('released');
  });

  test('a worker whose lock was removed with its directory stops: it could keep nobody out any more', async () => {
    const { why, taken } = losing();
    await taken;
    await rm(join(home, 'worker.lock'), { recursive: true });
    expect(await why).toContain(`${join(home, 'worker.lock', '1')} was removed`);
    await locks[0]?.release();
    expect(existsSync(join(home, 'worker.lock'))).toBe(false);
  });
});

async function writeHolder(number: number, holder: WorkerLockHolder): Promise<void> {
  await mkdir(join(home, 'worker.lock'), { recursive: true });
  await writeFile(join(home, 'worker.lock', String(number)), JSON.stringify(holder));
}

async function namespace(): Promise<Pick<WorkerLockHolder, 'pidNamespace'>> {
  const pidNamespace = await readlink('/proc/self/ns/pid').catch(() => undefined);
  return pidNamespace === undefined ? {} : { pidNamespace };
}
