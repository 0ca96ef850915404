import { readFileSync } from 'node:fs';
import { findProcesses } from '../../../src/runner/index.js';
import type { Attempt } from './town.js';

/**
 * @returns the kernel's letter for what a process does (`T` stands still, `Z` has ended), or undefined when there is
 * none.
 */
export function stateOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Pids of all processes of an attempt (the runner is none of them). */
export const processesOf = ({ dir }: Pick<Attempt, 'dir'>): number[] =>
  findProcesses({ attempt: dir.attempt }).map(({ pid }) => pid);

/** Whether all of them stand still, and there are some. */
export const allFrozen = (attempt: Pick<Attempt, 'dir'>): boolean => {
  const states = processesOf(attempt).map(stateOf);
  return states.length > 0 && states.every((state) => state === 'T');
};
/** Whether none of them stands still, and there are some. */
export const allRunning = (attempt: Pick<Attempt, 'dir'>): boolean => {
  const states = processesOf(attempt).map(stateOf);
  return states.length > 0 && states.every((state) => state !== 'T');
};
