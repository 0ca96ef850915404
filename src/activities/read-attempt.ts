import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { attemptParts, failureTypes, mostWaitMs, pieceBytes, treePathProblem } from '../contract/index.js';
import type { AttemptPiece, HostAnswers, ReadAttemptInput } from '../contract/index.js';
import { attemptId, beadId, guarded } from '../edge/schemas.js';
import type { Fields } from '../edge/schemas.js';
import { commitDiff, exists, mirrorPath, worktreeDiff, worktreeFiles } from '../git/index.js';
import type { AttemptDir } from '../runner/index.js';
import type { AttemptSetup } from '../runner/types.js';
import type { ActivityDeps } from './deps.js';
import { refineryFolder } from './refinery/merge.js';
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
    rig: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,99}$/, 'not the name of a rig')
      .optional(),
    path: guarded(treePathProblem).optional(),
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
    if (input.part === 'check-log') return checksPiece(host, input);
    const dir = host.attemptDir(input);
    if (!(await dir.exists()))
      throw ApplicationFailure.nonRetryable(
        `host ${host.hostId} has nothing of attempt ${input.attempt} of bead ${input.bead} any more: its ` +
          'folder was cleaned up after its work was safe, or it never ran here',
        failureTypes.noSuchAttempt,
      );
    switch (input.part) {
      case 'diff':
        return textPiece(dir, input.after, await diffOf(dir, host.mirrors));
      case 'files':
        await inWorktree(dir);
        return textPiece(dir, input.after, await listOf(dir));
      case 'file':
        return filePiece(dir, input);
      case 'teardown':
        return wholePiece((await dir.failedTeardown()) ?? '');
      case 'agent-log':
      case 'runner-log':
        return logPiece(dir, input);
    }
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
        return {
          data,
          next: `${name}:${ended}`,
          more,
          restarted,
          skipped: end?.skipped,
          changedAt: files.at(-1)?.changedAt,
        };
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

interface OpenFile {
  file: FileHandle;
  inode: string;
  size: number;
  changedAt: number;
}

/**
 * @returns the files of a log, the oldest first. The newest is opened first, so that a rotation meanwhile hides none.
 */
async function openLog(path: string): Promise<OpenFile[]> {
  const found: OpenFile[] = [];
  for (const name of [path, ...Array.from({ length: mostOlder }, (_, index) => `${path}.${index + 1}`)]) {
    if (!(await exists(name))) continue;
    const file = await open(name, 'r');
    const { ino, size, mtimeMs } = await file.stat();
    const inode = ino.toString(16);
    if (found.some((other) => other.inode === inode)) await file.close();
    else found.push({ file, inode, size, changedAt: mtimeMs });
  }
  return found.reverse();
}

/** What the refinery of this host wrote of a bead's checks, over all merges; it outlives the attempt's folder. */
async function checksPiece(
  host: ActivityDeps['host'],
  { bead, rig, after, fromEnd = false, waitMs }: ReadAttemptInput,
): Promise<AttemptPiece> {
  const path = join(refineryFolder(host.home), rig ?? '', `${bead}.log`);
  if (rig === undefined || !(await exists(path)))
    throw ApplicationFailure.nonRetryable(
      `host ${host.hostId} has no output of checks of bead ${bead}: it has not merged it, or too long ago`,
      failureTypes.noSuchAttempt,
    );
  const giveUpAt = Date.now() + waitMs;
  for (;;) {
    const piece = await readLog(path, after ?? (fromEnd ? 'end' : undefined));
    // Nobody knows here whether the bead is merged again: who follows the log asks the bead.
    if (piece.data !== '' || Date.now() >= giveUpAt || !(await waited())) return { ...piece, ended: false };
  }
}

const listOf = async ({ worktree }: AttemptDir): Promise<string> =>
  (await worktreeFiles(worktree)).map(({ path, bytes }) => `${JSON.stringify({ path, bytes })}\n`).join('');

const unreadable = (message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, failureTypes.noSuchAttempt);

/**
 * A file of the working tree that git would commit: what a repository ignores (a `.env`, say) stays on its host, and so
 * does what a link points at.
 */
async function filePiece(dir: AttemptDir, { path = '', after }: ReadAttemptInput): Promise<AttemptPiece> {
  await inWorktree(dir);
  const what = `${JSON.stringify(path)} of attempt ${dir.attempt} of bead ${dir.bead}`;
  const files = await worktreeFiles(dir.worktree);
  if (!files.some((file) => file.path === path)) throw unreadable(`there is no file ${what} that a save would have`);
  const whole = join(dir.worktree, path);
  const folder = join(await realpath(dir.worktree), dirname(path));
  // The agent may put a link in its place at any time: then it is no file of the tree any more.
  const file = await open(whole, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  try {
    const stats = await file?.stat();
    if (file === undefined || stats?.isFile() !== true || (await realpath(dirname(whole))) !== folder)
      throw unreadable(`the file ${what} has changed while it was looked for: ask again`);
    const inode = stats.ino.toString(16);
    const [before, offset = '0'] = after?.split(':') ?? [];
    const same = before === inode && Number(offset) <= stats.size;
    const start = same ? Number(offset) : 0;
    const buffer = Buffer.alloc(Math.min(pieceBytes, stats.size - start));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    const end = start + bytesRead;
    return {
      data: buffer.subarray(0, bytesRead).toString('base64'),
      next: `${inode}:${end}`,
      more: bytesRead > 0 && end < stats.size,
      ended: (await dir.readResult()) !== undefined,
      restarted: before !== undefined && !same,
    };
  } finally {
    await file?.close();
  }
}

/** A text that is short, and does not change any more. */
const wholePiece = (text: string): AttemptPiece => ({
  data: Buffer.from(text).subarray(0, pieceBytes).toString('base64'),
  next: '0:0',
  more: false,
  ended: true,
  restarted: false,
});

/** What an attempt has changed; without its worktree what it has pushed or saved last, as the mirror has it. */
async function diffOf(dir: AttemptDir, mirrors: string): Promise<string> {
  const setup = await dir.readSetup();
  if (setup !== undefined && (await exists(dir.worktree))) return worktreeDiff(dir.worktree, setup.baseSha);
  const [input, result] = [await dir.readInput(), await dir.readResult()];
  const head = result?.sha ?? result?.checkpoint?.sha;
  const base = setup?.baseSha ?? result?.baseSha;
  const mirror = input === undefined ? undefined : mirrorPath(mirrors, input.repo);
  if (head !== undefined && base !== undefined && mirror !== undefined && (await exists(mirror))) {
    const found = await commitDiff(mirror, { base, head });
    if (found !== undefined) return found;
  }
  if (result === undefined) await inWorktree(dir);
  throw unreadable(
    `attempt ${dir.attempt} of bead ${dir.bead} has no worktree on its host any more, and ` +
      (head === undefined ? 'it has pushed and saved nothing' : 'what it pushed or saved is not in the mirror there'),
  );
}

async function inWorktree(dir: AttemptDir): Promise<AttemptSetup> {
  const setup = await dir.readSetup();
  if (setup === undefined || !(await exists(dir.worktree)))
    throw unreadable(`attempt ${dir.attempt} of bead ${dir.bead} has no worktree on its host (yet, or any more)`);
  return setup;
}

/** A place in a text is its hash and an offset: an agent that goes on working changes it between two pieces. */
async function textPiece(dir: AttemptDir, after: string | undefined, whole: string): Promise<AttemptPiece> {
  const text = Buffer.from(whole);
  const hash = createHash('sha1').update(text).digest('hex');
  const [before, offset = '0'] = after?.split(':') ?? [];
  const start = before === hash ? Number(offset) : 0;
  const end = Math.min(text.length, start + pieceBytes);
  return {
    data: text.subarray(start, end).toString('base64'),
    next: `${hash}:${end}`,
    more: end < text.length,
    ended: (await dir.readResult()) !== undefined,
    restarted: before !== undefined && before !== hash,
  };
}
