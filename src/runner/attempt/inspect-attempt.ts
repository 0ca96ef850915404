import { DamagedFileError } from './attempt-dir.js';
import type { AttemptDir } from './attempt-dir.js';
import { lookAtLock } from './attempt-lock.js';
import type { LockState } from './attempt-lock.js';
import type { AttemptInspection, RunnerRecord, RunnerState } from '../types.js';

/**
 * Looks at an attempt's folder: is it unknown here, ended, alive, never started, or dead? One that cannot be read is a
 * finding of its own, so that nobody who looks at many is stopped by it.
 */
export async function inspectAttempt(dir: AttemptDir): Promise<AttemptInspection> {
  try {
    return await inspect(dir);
  } catch (error) {
    const problem = damageOf(error);
    if (problem === undefined) throw error;
    const lock = await lookAtLock(dir.lock).catch(() => undefined);
    // A runner that lives writes its record anew itself.
    return (
      (lock === undefined ? undefined : fromLock(lock, undefined)) ?? {
        kind: 'damaged',
        problem,
        mayLive: lock === undefined,
      }
    );
  }
}

async function inspect(dir: AttemptDir): Promise<AttemptInspection> {
  if ((await dir.readInput()) === undefined) return { kind: 'missing' };
  const result = await dir.readResult();
  if (result !== undefined) return { kind: 'ended', result };
  const lock = await lookAtLock(dir.lock);
  const record = await dir.readRunner();
  const held = fromLock(lock, record);
  if (held !== undefined) return held;
  if (record === undefined || !mayHaveAgent(record.state)) return { kind: 'unstarted' };
  // What its reaper will need.
  const [setup] = await Promise.all([dir.readSetup(), dir.readReport()]);
  if (setup === undefined) throw new DamagedFileError(dir.file('setup.json'), 'missing');
  return { kind: 'dead', record };
}

/** @returns whether a runner whose record says this may have spawned an agent. */
export function mayHaveAgent(state: RunnerState): boolean {
  switch (state) {
    case 'fencing':
    case 'refused':
      return false;
    case 'spawning':
    case 'running':
    case 'frozen':
    case 'paused':
    case 'stopping':
    case 'ended':
      return true;
  }
}

function fromLock(lock: LockState, record: RunnerRecord | undefined): AttemptInspection | undefined {
  switch (lock.state) {
    case 'free':
      return undefined;
    case 'unknown':
      return { kind: 'elsewhere', machine: lock.by.machine ?? 'another machine', until: lock.until };
    case 'held': {
      const { pid, startTime } = lock.by;
      // A runner takes its lock before it writes its record: until then the record is that of one before it.
      return {
        kind: 'running',
        record: record?.pid === pid ? record : { pid, startTime, startedAt: Date.now(), state: 'fencing' },
      };
    }
  }
}

/** Say something about this process, not about the file. */
const exhausted = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EBUSY']);

/** @returns what is wrong with the folder; undefined when the error is of another kind. */
function damageOf(error: unknown): string | undefined {
  if (error instanceof DamagedFileError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  // A folder in a file's place, a file of somebody else: the system's message names the file. Without a code it is our
  // own mistake, and a process that has run out of something has found nothing at all.
  return code === undefined || exhausted.has(code) ? undefined : message;
}
