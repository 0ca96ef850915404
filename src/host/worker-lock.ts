import { mkdir, readFile, readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { durationText } from '../domain/words.js';
import { isMissing } from '../edge/errors.js';
import { holderState, ownProcess, touchedAt } from '../runner/processes/process-place.js';
import type { PlacedProcess } from '../runner/processes/process-place.js';
import { createDurably } from './durable-file.js';

/** Who holds a state directory. */
export interface WorkerLockHolder extends Omit<PlacedProcess, 'startTime'> {
  startTime?: string;
  since: number;
  /** Given back; the file stays so that its number is never used again. */
  released?: boolean;
}

/** Another worker uses the state directory. */
export class WorkerLockHeldError extends Error {
  override readonly name = 'WorkerLockHeldError';
  constructor(
    readonly home: string,
    /** Undefined when its file cannot be read. */
    readonly holder: WorkerLockHolder | undefined,
    file: string,
  ) {
    super(
      holder === undefined
        ? `${file} cannot be read, and was written less than ${durationText(silentFor)} ago: if no other worker ` +
            `uses the state directory ${home}, try again in ${durationText(silentFor)}`
        : `another worker (${holderText(holder)}, since ${new Date(holder.since).toISOString()}) uses the state ` +
            `directory ${home}: ` +
            'stop it first, or give this one a directory of its own (--home DIR or HEARTBEAD_HOME)',
    );
  }
}

/** @returns who holds a state directory, for people. */
export const holderText = ({ pid, machine }: WorkerLockHolder): string =>
  `pid ${pid} on ${machine ?? 'an unnamed machine'}`;

export interface WorkerLock {
  /** Gives the state directory back. Idempotent. */
  release(): Promise<void>;
}

export interface WorkerLockOptions {
  /**
   * Called once with the reason when the directory is no longer this worker's: another one has taken it over, since
   * this one froze for so long that it was taken for dead, or its lock was removed.
   */
  onLost?: (why: string) => void;
}

/**
 * How often the holder renews its sign of life, and after how long a silent one on another machine or in another
 * container is taken for dead: six missed renewals. Where its pid means something the process table decides, at once.
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
  const own: WorkerLockHolder = { ...ownProcess(), since: Date.now() };
  for (;;) {
    const highest = await highestNumber(folder);
    const file = join(folder, String(highest));
    const holder = highest === 0 ? undefined : await readHolder(file);
    if (holder === 'gone') continue;
    if (highest > 0 && (await isAlive(holder, file))) throw new WorkerLockHeldError(home, holder, file);
    const mine = join(folder, String(highest + 1));
    if (!(await createDurably(mine, JSON.stringify(own)))) continue;
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

function hold(folder: string, number: number, own: WorkerLockHolder, { onLost }: WorkerLockOptions): WorkerLock {
  const file = join(folder, String(number));
  let renewing = Promise.resolve();
  let done = false;
  const renew = async (): Promise<void> => {
    const why = await lossOf(folder, number);
    if (done || why === undefined) return;
    done = true;
    clearInterval(timer);
    onLost?.(why);
  };
  const timer = setInterval(() => {
    // A failed renewal is no reason to end (a disk that stands still): the next one tries again, and only silence costs
    // the lock.
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
      await writeFileAtomic(file, JSON.stringify({ ...own, released: true } satisfies WorkerLockHolder), {
        mode: 0o600,
      });
    },
  };
}

/** Renews the sign of life. @returns why the lock is no longer its holder's; undefined while it is. */
async function lossOf(folder: string, number: number): Promise<string | undefined> {
  const file = join(folder, String(number));
  try {
    const highest = await highestNumber(folder);
    if (highest <= number) {
      await utimes(file, new Date(), new Date());
      return undefined;
    }
    const holder = await readHolder(join(folder, String(highest)));
    if (holder === 'gone') return undefined;
    const other = holder === undefined ? 'another worker' : `another worker (${holderText(holder)})`;
    return `${other} has taken the state directory over`;
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Made again it would keep nobody out who has come meanwhile.
    return `its lock ${file} was removed, so that another worker may come at any time`;
  }
}

/** @param holder undefined when the file cannot be read: then its age alone tells. */
async function isAlive(holder: WorkerLockHolder | undefined, file: string): Promise<boolean> {
  if (holder?.released === true) return false;
  if (holder !== undefined) return (await holderState(file, holder, silentFor)) !== 'dead';
  const touched = await touchedAt(file);
  return touched !== undefined && Date.now() - touched < silentFor;
}

/** @returns 0 when there is none. */
async function highestNumber(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number);
  return Math.max(0, ...numbers);
}

/**
 * @returns `gone` when a newer holder has removed the file meanwhile; undefined when nobody can be made out in it, as
 * after a power cut.
 */
async function readHolder(file: string): Promise<WorkerLockHolder | undefined | 'gone'> {
  try {
    const holder = JSON.parse(await readFile(file, 'utf8')) as Partial<WorkerLockHolder> | null;
    return Number.isInteger(holder?.pid) && typeof holder?.since === 'number'
      ? (holder as WorkerLockHolder)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    if (isMissing(error)) return 'gone';
    throw error;
  }
}
