import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { attemptParts, failureTypes, mostWaitMs, pieceBytes } from '../contract/index.js';
import type { AttemptPiece, HostAnswers, ReadAttemptInput } from '../contract/index.js';
import { attemptId, beadId } from '../edge/schemas.js';
import type { Fields } from '../edge/schemas.js';
import { exists, worktreeDiff } from '../git/index.js';
import type { AttemptDir } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { inputReader } from './read-input.js';

/** How often a log is looked at for something new, as `heartbead logs -f` does on the host itself. */
const lookEvery = 300;
/** A log has at most so many older files beside it (`name.1`, the newest of them, and so on). */
const mostOlder = 9;

const readInput = inputReader<{ readAttempt: ReadAttemptInput }>({
  readAttempt: z.object({
    bead: beadId,
    attempt: attemptId,
    part: z.enum(attemptParts),
    after: z
      .string()
      .regex(/^[0-9a-f]{1,40}:\d{1,15}$/, 'not where a piece ended')
      .optional(),
    fromEnd: z.boolean().optional(),
    waitMs: z.number().min(0).max(mostWaitMs),
  } satisfies Fields<ReadAttemptInput>),
});

/**
 * `readAttempt`: a piece of what an attempt of this host has written, from where the last one ended. Reads only within
 * the attempt's folder, and changes nothing.
 */
export function makeReadAttempt({ host }: Pick<ActivityDeps, 'host'>): HostAnswers['readAttempt'] {
  return async (given) => {
    const input = readInput('readAttempt', given);
    const dir = host.attemptDir(input);
    if (!(await dir.exists()))
      throw ApplicationFailure.nonRetryable(
        `host ${host.hostId} has nothing of attempt ${input.attempt} of bead ${input.bead} any more: its folder was cleaned up after its work was safe, or it never ran here`,
        failureTypes.noSuchAttempt,
      );
    return input.part === 'diff' ? diffPiece(dir, input.after) : logPiece(dir, input);
  };
}

async function logPiece(
  dir: AttemptDir,
  { part, after, fromEnd = false, waitMs }: ReadAttemptInput,
): Promise<AttemptPiece> {
  const path = part === 'agent-log' ? dir.agentLog : dir.runnerLog;
  const giveUpAt = Date.now() + waitMs;
  for (;;) {
    // Looked up before the read: what was written before the end is then read in any case.
    const ended = (await dir.readResult()) !== undefined;
    const piece = await readLog(path, after ?? (fromEnd ? 'end' : undefined));
    if (piece.data !== '' || ended || Date.now() >= giveUpAt || !(await waited())) return { ...piece, ended };
  }
}

/** @returns false when the worker stops: whoever asked gets what there is, and asks the next worker. */
async function waited(): Promise<boolean> {
  try {
    await Context.current().sleep(lookEvery);
    return true;
  } catch (error) {
    if (error instanceof CancelledFailure) return false;
    throw error;
  }
}

/** A place in a log is the inode of one of its files (rotation renames them) and an offset in it. */
async function readLog(path: string, wanted: string | undefined): Promise<Omit<AttemptPiece, 'ended'>> {
  const files = await openLog(path);
  try {
    const end = wanted === 'end' ? endOf(files) : undefined;
    const after = wanted === 'end' ? end?.after : wanted;
    const [inode = '', offset = '0'] = after?.split(':') ?? [];
    const last = files.findIndex((file) => file.inode === inode);
    const here = files[last];
    const restarted = after !== undefined && inode !== '0' && (here === undefined || here.size < Number(offset));
    let start = restarted || here === undefined ? 0 : Number(offset);
    for (const { file, inode: name, size } of last < 0 ? files : files.slice(last)) {
      if (size > start) {
        const buffer = Buffer.alloc(Math.min(pieceBytes, size - start));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
        const ended = start + bytesRead;
        const more = ended < size || files.at(-1)?.inode !== name;
        const data = buffer.subarray(0, bytesRead).toString('base64');
        return { data, next: `${name}:${ended}`, more, restarted, skipped: end?.skipped };
      }
      start = 0;
    }
    // Nothing new. Without any file yet the next question begins at the start as well.
    const newest = files.at(-1);
    return { data: '', next: newest === undefined ? '0:0' : `${newest.inode}:${newest.size}`, more: false, restarted };
  } finally {
    for (const { file } of files) await file.close();
  }
}

/** @returns where the last piece of a log begins, and whether anything stands before it. */
function endOf(files: readonly { inode: string; size: number }[]): { after: string; skipped: boolean } | undefined {
  let left = pieceBytes;
  for (const [at, { inode, size }] of [...files.entries()].reverse()) {
    if (size >= left) return { after: `${inode}:${size - left}`, skipped: at > 0 || size > left };
    left -= size;
  }
  return undefined;
}

/** @returns the files of a log, the oldest first. The newest is opened first, so that a rotation meanwhile hides none. */
async function openLog(path: string): Promise<{ file: FileHandle; inode: string; size: number }[]> {
  const found: { file: FileHandle; inode: string; size: number }[] = [];
  for (const name of [path, ...Array.from({ length: mostOlder }, (_, index) => `${path}.${index + 1}`)]) {
    if (!(await exists(name))) continue;
    const file = await open(name, 'r');
    const { ino, size } = await file.stat();
    const inode = ino.toString(16);
    if (found.some((other) => other.inode === inode)) await file.close();
    else found.push({ file, inode, size });
  }
  return found.reverse();
}

/** A place in a diff is its hash and an offset: an agent that goes on working changes it between two pieces. */
async function diffPiece(dir: AttemptDir, after: string | undefined): Promise<AttemptPiece> {
  const setup = await dir.readSetup();
  if (setup === undefined || !(await exists(dir.worktree)))
    throw ApplicationFailure.nonRetryable(
      `attempt ${dir.attempt} of bead ${dir.bead} has no worktree on its host (yet, or any more)`,
      failureTypes.noSuchAttempt,
    );
  const ended = (await dir.readResult()) !== undefined;
  const diff = Buffer.from(await worktreeDiff(dir.worktree, setup.baseSha));
  const hash = createHash('sha1').update(diff).digest('hex');
  const [before, offset = '0'] = after?.split(':') ?? [];
  const start = before === hash ? Number(offset) : 0;
  const end = Math.min(diff.length, start + pieceBytes);
  return {
    data: diff.subarray(start, end).toString('base64'),
    next: `${hash}:${end}`,
    more: end < diff.length,
    ended,
    restarted: before !== undefined && before !== hash,
  };
}
