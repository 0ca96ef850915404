import { readFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import type { CellLimits } from '../../cell/index.js';
import type { StopCause } from '../end/judge-end.js';
import { findProcesses } from './end-processes.js';
import type { AttemptProcesses } from './end-processes.js';
import { processTable } from './process.js';

/** What an attempt's processes use of their host, as far as it was looked at. */
export interface AttemptUse {
  memoryMb?: number;
  processes?: number;
  diskMb?: number;
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US');

/** @returns why an attempt is ended for what it uses, or undefined. Pure. */
export function overLimit(limits: CellLimits, use: AttemptUse): StopCause | undefined {
  const over = (name: keyof CellLimits): boolean => {
    const [limit, used] = [limits[name], use[name]];
    return limit !== undefined && used !== undefined && used > limit;
  };
  const told = (name: keyof CellLimits, unit: string): string =>
    `${number(use[name] ?? 0)} ${unit}, and its host allows ${number(limits[name] ?? 0)} (limits.${name} in ` +
    'its cell.json)';
  if (over('memoryMb'))
    return { outcome: 'out_of_memory', reason: `the agent's processes used ${told('memoryMb', 'MB of memory')}` };
  if (over('processes'))
    return {
      outcome: 'too_many_processes',
      reason: `the agent ran ${told('processes', 'processes and threads')}`,
    };
  if (over('diskMb')) return { outcome: 'disk_full', reason: `the agent's files took ${told('diskMb', 'MB of disk')}` };
  return undefined;
}

/**
 * @returns the processes of an attempt. In a sandbox these are what its first process has started, whatever has become
 * of the parents between: nothing in there is handed on to a process outside.
 */
export function pidsOf(processes: AttemptProcesses, sandbox: boolean): number[] {
  const { group } = processes;
  if (!sandbox || group === undefined) return findProcesses(processes).map(({ pid }) => pid);
  const table = processTable();
  const found = new Set([group.pid]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    for (const { pid, ppid } of table) if (found.has(ppid)) found.add(pid);
  }
  return [...found];
}

/** @returns the content of a file of `/proc`, or nothing for a process that has gone meanwhile. */
function ofProcess(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

const kiloBytes = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);

/**
 * @returns how many processes and threads run, and the memory that they have together. What is resident counts at
 * first, which is quick to read, and too much where processes share it; where that would be over the limit it is asked
 * for exactly.
 */
export function processUse(pids: readonly number[], limitMb: number | undefined): AttemptUse {
  const states = pids.map((pid) => ofProcess(pid, 'status'));
  const processes = states.reduce((sum, text) => sum + Number(/^Threads:\s*(\d+)/m.exec(text)?.[1] ?? 0), 0);
  const resident = states.reduce((sum, text) => sum + kiloBytes(text, 'VmRSS') + kiloBytes(text, 'VmSwap'), 0) / 1_024;
  if (limitMb === undefined || resident <= limitMb) return { processes, memoryMb: resident };
  const proportional = pids
    .map((pid) => ofProcess(pid, 'smaps_rollup'))
    .reduce((sum, text) => sum + kiloBytes(text, 'Pss') + kiloBytes(text, 'SwapPss'), 0);
  return { processes, memoryMb: proportional / 1_024 };
}

/** Milliseconds. A tree of a million files takes about so long when its disk is cold. */
const measureWithin = 60_000;

/** @returns the megabytes that a folder takes on its disk, or undefined when that could not be found out in time. */
export const diskUse = (folder: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    // Files come and go meanwhile, which is status 1: the sum is printed all the same.
    execFile('du', ['-skx', folder], { timeout: measureWithin }, (_error, stdout) => {
      const sum = /^(\d+)\s/.exec(stdout)?.[1];
      resolve(sum === undefined ? undefined : Number(sum) / 1_024);
    });
  });

/** @returns the megabytes that are free where a folder lies. */
export const freeMb = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder);
  return (bavail * bsize) / 2 ** 20;
};
