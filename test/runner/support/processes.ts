import { readFileSync } from 'node:fs';
import { findProcesses } from '../../../src/runner/index.js';
import type { Attempt } from './town.js';

/** What the kernel says of a process. */
export interface Seen {
  pid: number;
  ppid: number;
  /** Its letter for what the process does (`T` stands still, `Z` has ended). */
  state: string;
}

/** @returns what the kernel says of a process now, or undefined when there is none. */
export function look(pid: number): Seen | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', ppid] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid, ppid: Number(ppid), state };
  } catch (error) {
    // The file may be open already when its process ends.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** @returns the kernel's letter for what a process does, or undefined when there is none. */
export const stateOf = (pid: number): string | undefined => look(pid)?.state;

/**
 * @returns whether none of these processes runs an instruction. A shell starts a program by vfork, and sleeps in the
 * kernel (`D`) until its child is that program: it stands still for as long as the child does.
 */
export const allStand = (seen: readonly Seen[]): boolean =>
  seen.every(
    ({ pid, state }) =>
      state === 'T' || (state === 'D' && seen.some((other) => other.ppid === pid && other.state === 'T')),
  );

/** Pids of all processes of an attempt (the runner is none of them). */
export const processesOf = ({ dir }: Pick<Attempt, 'dir'>): number[] =>
  findProcesses({ attempt: dir.attempt }).map(({ pid }) => pid);

/** Whether all of them stand still, and there are some. */
export const allFrozen = (attempt: Pick<Attempt, 'dir'>): boolean => {
  const seen = processesOf(attempt).flatMap((pid) => look(pid) ?? []);
  return seen.length > 0 && allStand(seen);
};
/** Whether none of them stands still, and there are some. */
export const allRunning = (attempt: Pick<Attempt, 'dir'>): boolean => {
  const states = processesOf(attempt).map(stateOf);
  return states.length > 0 && states.every((state) => state !== 'T');
};
