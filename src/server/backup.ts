/**
 * A copy of the embedded server's database in one file, taken while the server runs. The server's process is stopped
 * (SIGSTOP) for as long as its files are copied on the same disk: what is copied then is what a kill at that moment
 * would leave, and from that SQLite recovers by itself. Nobody notices more than a slow answer.
 * @module
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdtemp, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { standsStill } from '../runner/processes/process.js';
import { whenWeEnd } from './end-with-us.js';

/** The first line of a backup, as JSON; the files follow, one after the other, all of it compressed. */
export interface BackupHeader {
  format: 'heartbead-backup-1';
  /** Of Heartbead. */
  version: string;
  /** Milliseconds since the epoch. */
  takenAt: number;
  /** The namespace of the town: `heartbead up` needs it to find the town again. */
  namespace: string;
  taskQueue: string;
  address: string;
  files: { name: string; size: number; sha256: string }[];
}

export class BackupProblem extends Error {
  override readonly name = 'BackupProblem';

  /** @param next what helps, where it is not what helps against a file that is damaged. */
  constructor(message: string, { next, ...options }: ErrorOptions & { next?: string } = {}) {
    super(message, options);
    this.next = next;
  }

  readonly next: string | undefined;
}

const format = 'heartbead-backup-1';
/** Files of a database beside it that belong to it; the index of the log (`-shm`) is made anew. */
const companions = ['', '-wal', '-journal'];
/** A disk that hangs holds a write up, and the copy would hang as well. */
const stopsWithinMs = 10_000;
/** A header names a few files; a longer first line is not of ours. */
const longestHeader = 64 * 1024;

/** What is known of the town besides its files. */
export type BackupTown = Pick<BackupHeader, 'version' | 'namespace' | 'taskQueue' | 'address'>;

/**
 * @param server the process that writes the database; absent when none does.
 * @returns what was written to `target`, which appears in one step.
 */
export async function backUp(
  dbFile: string,
  target: string,
  town: BackupTown,
  server: number | undefined,
): Promise<BackupHeader> {
  // On the disk of the database, where a copy is quickest.
  const work = await mkdtemp(join(dirname(dbFile), 'backup-'));
  const fresh = `${target}.new`;
  // However this process ends: the town does not stand still for ever, and no copy of it is left behind.
  const undo = '[ -z "$3" ] || kill -CONT "$3"; rm -rf -- "$1" "$2"';
  const finished = whenWeEnd(['/bin/sh', '-c', undo, 'heartbead-guard', work, fresh, String(server ?? '')]);
  try {
    const names = await copyFrozen(dbFile, work, server);
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(work, name);
        return { name, size: (await stat(path)).size, sha256: await hashOf(path) };
      }),
    );
    const header: BackupHeader = { format, ...town, takenAt: Date.now(), files };
    async function* content(): AsyncGenerator<Buffer> {
      yield Buffer.from(`${JSON.stringify(header)}\n`);
      for (const { name } of files) for await (const piece of createReadStream(join(work, name))) yield piece as Buffer;
    }
    await pipeline(Readable.from(content()), createGzip(), createWriteStream(fresh, { mode: 0o600, flush: true }));
    await rename(fresh, target);
    return header;
  } finally {
    await rm(fresh, { force: true });
    await rm(work, { recursive: true, force: true });
    finished();
  }
}

async function copyFrozen(dbFile: string, work: string, server: number | undefined): Promise<string[]> {
  if (server === undefined) return copyFiles(dbFile, work);
  try {
    signal(server, 'SIGSTOP');
    await untilItStands(server);
    return await copyFiles(dbFile, work);
  } finally {
    signal(server, 'SIGCONT');
  }
}

/** A server that has ended meanwhile writes nothing. */
function signal(server: number, name: NodeJS.Signals): void {
  try {
    process.kill(server, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Looked up only now: what belongs to a database comes and goes with each of its transactions. */
async function copyFiles(dbFile: string, work: string): Promise<string[]> {
  const there = await readdir(dirname(dbFile));
  const names = companions.map((end) => `${basename(dbFile)}${end}`).filter((name) => there.includes(name));
  if (names[0] !== basename(dbFile)) throw new BackupProblem(`there is no database ${dbFile}`);
  for (const name of names) await copyFile(join(dirname(dbFile), name), join(work, name), constants.COPYFILE_FICLONE);
  return names;
}

/** A thread that is within a write when the signal comes finishes it first. */
async function untilItStands(pid: number): Promise<void> {
  const giveUpAt = performance.now() + stopsWithinMs;
  while (!standsStill(pid)) {
    if (performance.now() > giveUpAt)
      throw new BackupProblem(`the server (pid ${pid}) could not be held for the moment of the copy`);
    await sleep(1);
  }
}

/**
 * Writes the files of a backup into a folder, whose own ones of these names must be gone. They get their names when all
 * of them are there and right.
 * @throws BackupProblem when it is no backup, or a damaged one; nothing is left behind then.
 */
export async function restoreInto(source: string, folder: string): Promise<BackupHeader> {
  const work = await mkdtemp(join(folder, 'restore-'));
  try {
    const all = join(work, 'all');
    await pipeline(createReadStream(source), createGunzip(), createWriteStream(all, { mode: 0o600 })).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code?.startsWith('Z_') !== true) throw error;
        throw new BackupProblem(`${source} is no backup, or was cut off (${error.message})`, { cause: error });
      },
    );
    const { header, length } = await headerOf(all, source);
    let at = length;
    for (const { name, size, sha256 } of header.files) {
      const path = join(work, name);
      if (size > 0)
        await pipeline(
          createReadStream(all, { start: at, end: at + size - 1 }),
          createWriteStream(path, { mode: 0o600, flush: true }),
        );
      else await writeFile(path, '', { mode: 0o600 });
      at += size;
      if ((await hashOf(path)) !== sha256)
        throw new BackupProblem(`${source} is damaged: ${name} is not what was copied`);
    }
    if (at !== (await stat(all)).size) throw new BackupProblem(`${source} is damaged: it holds more than it says`);
    // The database last: without it what lies beside it is nothing.
    for (const { name } of [...header.files].reverse()) await rename(join(work, name), join(folder, name));
    return header;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function headerOf(all: string, source: string): Promise<{ header: BackupHeader; length: number }> {
  const file = await open(all);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(longestHeader), 0, longestHeader, 0);
    const length = buffer.subarray(0, bytesRead).indexOf('\n') + 1;
    const text = buffer.subarray(0, length).toString();
    const header = readHeader(text, headerSchema);
    if (header !== undefined) return { header, length };
    const other = readHeader(text, otherSchema);
    if (other !== undefined)
      throw new BackupProblem(
        `${source} is a backup by Heartbead ${other.version}, of a format that this version does not read`,
        { next: 'restore it with the version that wrote it' },
      );
    throw new BackupProblem(`${source} is no backup of Heartbead`);
  } finally {
    await file.close();
  }
}

/** Names without a folder: a file that somebody has made must not write anywhere else. */
const fileName = z
  .string()
  .regex(/^[\w.-]+$/)
  .refine((name) => !name.startsWith('.'));
const headerSchema: z.ZodType<BackupHeader> = z.object({
  format: z.literal(format),
  version: z.string(),
  takenAt: z.number(),
  namespace: z.string().min(1),
  taskQueue: z.string().min(1),
  address: z.string(),
  files: z.array(z.object({ name: fileName, size: z.number().int().nonnegative(), sha256: z.string() })).min(1),
});

/** The first line of any version. */
const otherSchema = z.object({
  format: z.string().regex(/^heartbead-backup-\d+$/),
  version: z.string().regex(/^[\w.+-]{1,60}$/),
});

function readHeader<H>(text: string, schema: z.ZodType<H>): H | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
