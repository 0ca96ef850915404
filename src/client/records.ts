import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { isMissing } from '../edge/errors.js';

/** A process that `heartbead up` started: found again by pid *and* start time, since pids are used again. */
export interface ProcessRecord {
  pid: number;
  /** As `processStartTime` gives it. */
  startTime: string;
  log: string;
}

/** `<home>/server.json`: the embedded server of a state directory. */
export interface ServerRecord extends ProcessRecord {
  address: string;
  uiAddress: string;
  namespace: string;
  /** The main task queue of the town that belongs to it. */
  taskQueue: string;
  dbFile: string;
  /** Where its binary came from. */
  source: string;
}

/** `<home>/worker.json`: the worker that `heartbead up` started there. */
export interface WorkerRecord extends ProcessRecord {
  taskQueue: string;
  maxAgents: number;
  /** Address of the server it works for. */
  address: string;
}

/** `<home>/board.json`: the board that runs there. Its token is readable by the owner alone, as the file is. */
export interface BoardRecord extends ProcessRecord {
  /** Where its page is, without the token. */
  url: string;
  token: string;
  readOnly: boolean;
}

const files = { server: 'server.json', worker: 'worker.json', board: 'board.json' } as const;
type Records = { server: ServerRecord; worker: WorkerRecord; board: BoardRecord };

/**
 * @returns the record, or undefined when there is none. A file that cannot be read as JSON counts as none: it is
 * rewritten by the next `up`.
 */
export async function readRecord<K extends keyof Records>(home: string, kind: K): Promise<Records[K] | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(home, files[kind]), 'utf8'));
    return typeof value === 'object' &&
      value !== null &&
      Number.isInteger((value as ProcessRecord).pid) &&
      typeof (value as ProcessRecord).startTime === 'string'
      ? (value as Records[K])
      : undefined;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes a record in one step: a reader sees the old one or the new one. */
export async function writeRecord<K extends keyof Records>(home: string, kind: K, record: Records[K]): Promise<void> {
  await writeFileAtomic(join(home, files[kind]), `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
}

export async function removeRecord(home: string, kind: keyof Records): Promise<void> {
  await rm(join(home, files[kind]), { force: true });
}
