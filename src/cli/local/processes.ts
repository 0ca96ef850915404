import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessRecord } from '../../client/records.js';
import { isMissing } from '../../edge/errors.js';
import { processAlive, processStartTime } from '../../runner/processes/process.js';
import { failure } from '../exit.js';

const lookEvery = 50;

/**
 * Starts a Node program that outlives this process and its terminal: own session, no terminal, output to a file.
 * @param args flags of `node`, the program, its arguments.
 * @throws CliError when it cannot be started.
 */
export async function spawnDetached(
  args: string[],
  { log, env }: { log: string; env: NodeJS.ProcessEnv },
): Promise<ProcessRecord> {
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const output = openSync(log, 'a', 0o600);
  try {
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', output, output], env });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(
          failure(
            `a process of the town could not be started: ${error.message}`,
            'check the installation with `heartbead doctor`',
            error,
          ),
        ),
      );
    });
    child.unref();
    const pid = child.pid as number;
    return { pid, startTime: processStartTime(pid) ?? '', log };
  } finally {
    closeSync(output);
  }
}

/** @returns whether this very process still runs. */
export const isAlive = ({ pid, startTime }: Pick<ProcessRecord, 'pid' | 'startTime'>): boolean =>
  processAlive(pid, startTime);

/**
 * Ends a recorded process: SIGTERM, `graceMs`, SIGKILL. Resolves when it is gone. @returns false when it was not
 * running any more.
 */
export async function endRecorded(record: ProcessRecord, graceMs: number): Promise<boolean> {
  if (!isAlive(record)) return false;
  signal(record, 'SIGTERM');
  const until = performance.now() + graceMs;
  while (isAlive(record)) {
    if (performance.now() > until) signal(record, 'SIGKILL');
    await sleep(lookEvery);
  }
  return true;
}

function signal({ pid }: ProcessRecord, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** @returns the newest lines of a log file, oldest first. */
export async function logTail(file: string, lines: number): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-lines);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
