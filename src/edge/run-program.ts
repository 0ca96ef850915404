import { spawn } from 'node:child_process';

export interface RunProgramOptions {
  /** Milliseconds, after which it is ended with everything that it has started. */
  within: number;
  /** The whole environment; absent: that of this process. */
  env?: NodeJS.ProcessEnv;
  /** Where it runs; absent: where this process does. */
  cwd?: string;
  /** When it is aborted, the program is ended, as after the time. */
  signal?: AbortSignal | undefined;
  /** What it reads; absent: nothing is there to be read. */
  input?: string;
  /** Of stdout, which nobody reads when this is absent. With more it is ended, as after the time. */
  maxBytes?: number;
}

export interface ProgramEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Why it was ended by us. */
  ended: 'too late' | 'too much' | 'canceled' | undefined;
  stdout: string;
  /** The end of what it said there. */
  stderr: string;
}

/** Between the signal that asks and the one that does not. */
const killAfter = 2_000;
/** What it has started may hold its output open for ever; what it has said itself is there by then. */
const lingerFor = 500;
const stderrBytes = 64 * 1024;

/**
 * Runs a program of somebody else: in a session of its own, so that no terminal can be asked, and so that all of it
 * ends in time. A shell that is killed leaves what it has started behind, which holds its pipes, and who waits for
 * these to close waits for that as well.
 * @throws the error of `spawn` when it could not be started.
 */
export function runProgram(
  file: string,
  args: readonly string[],
  { within, env, cwd, signal: cancel, input, maxBytes }: RunProgramOptions,
): Promise<ProgramEnd> {
  return new Promise((done, failed) => {
    const child = spawn(file, args, { env, cwd, detached: true });
    const said: Buffer[] = [];
    let bytes = 0;
    let stderr = Buffer.alloc(0);
    let ended: ProgramEnd['ended'];
    const timers = new Set<NodeJS.Timeout>();
    const later = (ms: number, action: () => void): void => void timers.add(setTimeout(action, ms));
    const toAll = (signal: NodeJS.Signals): void => signalGroup(child.pid, signal);
    const end = (why: NonNullable<ProgramEnd['ended']>): void => {
      if (ended !== undefined) return;
      ended = why;
      toAll('SIGTERM');
      later(killAfter, () => toAll('SIGKILL'));
    };
    later(within, () => end('too late'));
    const canceled = (): void => end('canceled');
    cancel?.addEventListener('abort', canceled, { once: true });
    if (cancel?.aborted === true) canceled();
    const settle = (): void => {
      for (const timer of timers) clearTimeout(timer);
      cancel?.removeEventListener('abort', canceled);
    };
    child.stdout.on('data', (piece: Buffer) => {
      if (maxBytes === undefined) return;
      bytes += piece.length;
      if (bytes > maxBytes) end('too much');
      else said.push(piece);
    });
    child.stderr.on('data', (piece: Buffer) => {
      stderr = Buffer.concat([stderr, piece]).subarray(-stderrBytes);
    });
    // It need not read what it is told.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', (error) => {
      settle();
      failed(error);
    });
    child.once('exit', () => {
      if (ended !== undefined) toAll('SIGKILL');
      later(lingerFor, () => {
        child.stdout.destroy();
        child.stderr.destroy();
      });
    });
    child.once('close', (code, signal) => {
      settle();
      done({ code, signal, ended, stdout: Buffer.concat(said).toString(), stderr: stderr.toString() });
    });
  });
}

/** Signals every process of a group. @param leader its first one; undefined when that could not be started. */
export function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    // The group has ended by itself: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
