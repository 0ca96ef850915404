import { setTimeout as sleep } from 'node:timers/promises';
import { agentEnvironment } from '../../contract/index.js';
import { environmentOf, pidNamespace, processAlive, processTable } from './process.js';
import type { ProcessEntry } from './process.js';
import type { ProcessIdentity } from '../types.js';

/** By what the processes of an attempt are known. */
export interface AttemptProcesses {
  attempt: string;
  /**
   * The variable that carries the mark; `HEARTBEAD_ATTEMPT` when absent. The refinery's checks have one of their own.
   */
  variable?: string;
  /** The agent's process group, whose leader is the agent's own process. */
  group?: ProcessIdentity & { pgid: number };
}

/** How often it is looked whether processes are gone: they are no children of ours, so nothing tells. */
const lookEveryMs = 50;
/**
 * A process that forks faster than it is stopped would keep us busy for ever; each round sees all that the last one
 * missed.
 */
const maxRounds = 200;

/**
 * Finds every process of an attempt: those that carry its mark in their environment, the members of its group, and what
 * these have started. A group is believed only while its leader is the one that was recorded or a member carries the
 * mark: its number may belong to strangers by now. A process with the mark of another attempt is that attempt's.
 */
export function findProcesses({
  attempt,
  variable = agentEnvironment.attempt,
  group,
}: AttemptProcesses): ProcessIdentity[] {
  const table = processTable().filter((entry) => !entry.zombie && entry.pid !== process.pid);
  const mark = new Map<number, string | undefined>(
    table.map((entry) => [entry.pid, environmentOf(entry.pid, variable)]),
  );
  const members = table.filter((entry) => group !== undefined && entry.pgid === group.pgid);
  const groupIsOurs = members.some(
    (entry) =>
      (group !== undefined && entry.pid === group.pid && entry.startTime === group.startTime) ||
      mark.get(entry.pid) === attempt,
  );
  const found = new Map<number, ProcessEntry>();
  for (const entry of table) {
    if (mark.get(entry.pid) === attempt || (groupIsOurs && group !== undefined && entry.pgid === group.pgid))
      found.set(entry.pid, entry);
  }
  // Children may have cleaned their environment and left the group, but their parent still names them.
  for (let grown = true; grown;) {
    grown = false;
    for (const entry of table) {
      if (found.has(entry.pid) || !found.has(entry.ppid)) continue;
      const other = mark.get(entry.pid);
      // In a cell every process descends from its first one, and may call itself whatever it likes.
      if (other === undefined || other === attempt || isInCell(entry.pid)) {
        found.set(entry.pid, entry);
        grown = true;
      }
    }
  }
  return [...found.values()].map(({ pid, startTime }) => ({ pid, startTime }));
}

/** @returns whether a process is in a pid namespace below ours. */
function isInCell(pid: number): boolean {
  const namespace = pidNamespace(pid);
  return namespace !== undefined && namespace !== pidNamespace('self');
}

/**
 * @returns what keeps a cell: its end would be that of all in it, without a moment for them to end by themselves.
 */
function keepersOfCells(found: readonly ProcessIdentity[]): Set<string> {
  const pids = new Map(found.map((one) => [one.pid, one]));
  const keepers = processTable()
    .filter(({ pid, ppid }) => pids.has(ppid) && !isInCell(ppid) && isInCell(pid))
    .map(({ ppid }) => identity(pids.get(ppid) as ProcessIdentity));
  return new Set(keepers);
}

/** Sends a signal to this very process. A process that is gone by now is no error; one that may not be signalled is. */
export function signalProcess({ pid, startTime }: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!processAlive(pid, startTime)) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const identity = ({ pid, startTime }: ProcessIdentity): string => `${pid}/${startTime}`;

/**
 * Stops all processes of an attempt by SIGSTOP. Looks again until there is no new one, since a process may fork while
 * the others are being stopped. Synchronous, so that a crashing runner can do it as its last act.
 * @returns how many were stopped.
 */
export function freezeProcesses(processes: AttemptProcesses): number {
  const stopped = new Set<string>();
  for (let round = 0; round < maxRounds; round++) {
    const fresh = findProcesses(processes).filter((found) => !stopped.has(identity(found)));
    if (fresh.length === 0) break;
    for (const found of fresh) {
      signalProcess(found, 'SIGSTOP');
      stopped.add(identity(found));
    }
  }
  return stopped.size;
}

/** Lets all processes of an attempt run again. @returns how many. */
export function thawProcesses(processes: AttemptProcesses): number {
  const found = findProcesses(processes);
  for (const one of found) signalProcess(one, 'SIGCONT');
  return found.length;
}

/**
 * Ends every process of an attempt: SIGTERM and SIGCONT (a stopped process hears nothing else), `graceMs` to end by
 * itself, then SIGKILL. Resolves when none is left. What an agent started in a session of its own is found by the
 * `HEARTBEAD_ATTEMPT` mark (Linux).
 * @param options.graceMs 0 kills at once.
 * @throws Error when processes are left all the same (uninterruptible, or not ours to signal).
 */
export async function endProcesses({
  graceMs,
  ...processes
}: AttemptProcesses & { graceMs: number }): Promise<{ ended: number; killed: number }> {
  // Whoever was once seen to belong is remembered: when its parent has ended, nothing else may show it any more.
  const seen = new Map<string, ProcessIdentity>();
  const look = (): ProcessIdentity[] => {
    for (const one of findProcesses(processes)) seen.set(identity(one), one);
    return [...seen.values()].filter(({ pid, startTime }) => processAlive(pid, startTime));
  };
  if (graceMs > 0) {
    const found = look();
    const keepers = keepersOfCells(found);
    for (const one of found) {
      if (!keepers.has(identity(one))) signalProcess(one, 'SIGTERM');
      signalProcess(one, 'SIGCONT');
    }
    const until = performance.now() + graceMs;
    while (performance.now() < until && [...seen.values()].some(({ pid, startTime }) => processAlive(pid, startTime)))
      await sleep(lookEveryMs);
  }
  let killed = 0;
  for (let round = 0; round < maxRounds; round++) {
    const left = look();
    if (left.length === 0) return { ended: seen.size, killed };
    if (round === 0) killed = left.length;
    // Stopped first, so that none can fork between the look and its end.
    freezeProcesses(processes);
    for (const one of look()) signalProcess(one, 'SIGKILL');
    await sleep(lookEveryMs);
  }
  throw new Error(
    `processes of attempt ${processes.attempt} do not end: ${look()
      .map(({ pid }) => pid)
      .join(', ')}`,
  );
}
