import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, readdir, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { processAlive, processStartTime } from '../runner/process.js';

/** Who holds a state directory. */
export interface LockHolder {
  pid: number;
  startTime?: string;
  /** Names the pid namespace: a pid of another container says nothing here. Absent where there is no such thing. */
  pidNamespace?: string;
  /** Name of the machine or container, for people. */
  machine: string;
  since: number;
  /** Given back; the file stays so that its number is never used again. */
  released?: boolean;
}

/** Another worker uses the state directory. */
export class WorkerLockHeldError extends Error {
  constructor(
    readonly home: string,
    readonly holder: LockHolder,
  ) {
    super(
      `another worker (pid ${holder.pid} on ${holder.machine}, since ${new Date(holder.since).toISOString()}) uses the state directory ${home}: ` +
        'stop it first, or give this one a directory of its own (--home DIR or HEARTBEAD_HOME)',
    );
    this.name = 'WorkerLockHeldError';
  }
}

export interface WorkerLock {
  /** Gives the state directory back. Idempotent. */
  release(): Promise<void>;
}

export interface WorkerLockOptions {
  /**
   * Called once when another worker has taken the directory over: this one froze for so long that it was taken for
   * dead.
   */
  onLost?: (holder: LockHolder) => void;
}

/**
 * How often the holder renews its sign of life, and after how long a silent one *in another container* is taken for
 * dead: six missed renewals. In the same pid namespace the process table decides, at once.
 */
const renewEvery = 5_000;
const silentFor = 30_000;

/**
 * Takes a state directory for this process: two workers on one directory would reap each other's runners. The lock
 * survives no death of its holder: `worker.lock/<n>` is taken by making file n + 1, which only one process can, once
 * the holder of n is gone; and the file with the highest number is never removed, so that nobody can take the same
 * number twice.
 * @throws WorkerLockHeldError while another process holds it.
 */
export async function acquireWorkerLock(home: string, options: WorkerLockOptions = {}): Promise<WorkerLock> {
  const folder = join(home, 'worker.lock');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const own = await describeSelf();
  const draft = join(folder, `draft-${randomBytes(6).toString('hex')}`);
  for (;;) {
    const highest = await highestNumber(folder);
    const holder = highest === 0 ? undefined : await readHolder(join(folder, String(highest)));
    if (holder === 'gone') continue;
    if (holder !== undefined && (await isAlive(holder, own, join(folder, String(highest)))))
      throw new WorkerLockHeldError(home, holder);
    const mine = join(folder, String(highest + 1));
    await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
    try {
      await link(draft, mine);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
    if ((await highestNumber(folder)) > highest + 1) {
      // Others have come and gone since the look; the number was free only because they had cleared it away.
      await rm(mine, { force: true });
      continue;
    }
    for (const name of await readdir(folder)) {
      if (Number(name) <= highest) await rm(join(folder, name), { force: true });
    }
    return hold(folder, highest + 1, own, options);
  }
}

function hold(folder: string, number: number, own: LockHolder, { onLost }: WorkerLockOptions): WorkerLock {
  const file = join(folder, String(number));
  let renewing = Promise.resolve();
  let done = false;
  const renew = async (): Promise<void> => {
    const highest = await highestNumber(folder);
    if (highest <= number) {
      await utimes(file, new Date(), new Date());
      return;
    }
    const holder = await readHolder(join(folder, String(highest)));
    if (done || holder === 'gone') return;
    done = true;
    clearInterval(timer);
    onLost?.(holder);
  };
  const timer = setInterval(() => {
    // A failed renewal is no reason to end (a full disk, a removed folder): the next one tries again, and only silence
    // costs the lock.
    renewing = renewing
      .then(renew)
      .catch(
        (error: unknown) => void process.emitWarning(`the worker lock ${file} could not be renewed: ${String(error)}`),
      );
  }, renewEvery);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      await renewing;
      if (done) return;
      done = true;
      await writeFileAtomic(file, JSON.stringify({ ...own, released: true } satisfies LockHolder), { mode: 0o600 });
    },
  };
}

async function describeSelf(): Promise<LockHolder> {
  const startTime = processStartTime(process.pid);
  const pidNamespace = await readlink('/proc/self/ns/pid').catch(() => undefined);
  return {
    pid: process.pid,
    startTime,
    pidNamespace,
    machine: hostname(),
    since: Date.now(),
  };
}

async function isAlive(holder: LockHolder, own: LockHolder, file: string): Promise<boolean> {
  if (holder.released === true) return false;
  if (holder.pidNamespace === own.pidNamespace) return processAlive(holder.pid, holder.startTime);
  try {
    return Date.now() - (await stat(file)).mtimeMs < silentFor;
  } catch (error) {
    // Cleared away by a newer holder: the next round looks at that one.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** @returns 0 when there is none. */
async function highestNumber(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number);
  return Math.max(0, ...numbers);
}

/** @returns `gone` when a newer holder has removed the file meanwhile. */
async function readHolder(file: string): Promise<LockHolder | 'gone'> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LockHolder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
}
