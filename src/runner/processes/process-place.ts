import { readFileSync, readlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { isMissing } from '../../edge/errors.js';
import { processAlive, processStartTime } from './process.js';
import type { ProcessIdentity } from '../types.js';

/**
 * Where a process runs. A pid says nothing on another machine, in another container, or after a reboot, and the first
 * pid namespace of a kernel has the same number on every machine: so a lock names all of it.
 */
export interface ProcessPlace {
  /** Name of the machine or container, for people. */
  machine: string;
  /** The machine's own id, the same after a reboot. Absent in most containers, and where there is no such thing. */
  machineId?: string;
  /** The kernel's id of its run since it booted. Absent where there is no such thing. */
  boot?: string;
  /** Names the pid namespace. Absent where there is no such thing. */
  pidNamespace?: string;
}

/** A process and where it runs; locks of earlier versions do not say where. */
export type PlacedProcess = ProcessIdentity & Partial<ProcessPlace>;

/** How the place of a lock's holder lies to ours. */
export type Nearness =
  /** Its pid means the same there as here: the process table decides. */
  | 'here'
  /** Another container on this kernel: its sockets can be reached, its pids mean nothing. */
  | 'beside'
  /** This machine, before it was booted: none of its processes is left. */
  | 'before'
  /** Another machine, or one that cannot be told from another. */
  | 'elsewhere';

function contentOf(read: () => string): string | undefined {
  try {
    return read().trim() || undefined;
  } catch {
    // No Linux, or a container without: then one name less tells places apart, and silence decides more often.
    return undefined;
  }
}

let own: ProcessPlace | undefined;

/** @returns where this process runs. */
export function ownPlace(): ProcessPlace {
  own ??= {
    machine: hostname(),
    machineId: contentOf(() => readFileSync('/etc/machine-id', 'utf8')),
    boot: contentOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    pidNamespace: contentOf(() => readlinkSync('/proc/self/ns/pid')),
  };
  return own;
}

/** @returns this process, and where it runs. */
export const ownProcess = (): PlacedProcess => ({
  pid: process.pid,
  startTime: processStartTime(process.pid) ?? '',
  ...ownPlace(),
});

/** @returns how a place lies to ours. */
export function nearnessOf(place: Partial<ProcessPlace>, mine: ProcessPlace = ownPlace()): Nearness {
  // A lock of an earlier version, which took it for granted.
  if (place.machine === undefined) return 'here';
  const sameNamespace = place.pidNamespace === mine.pidNamespace;
  if (place.boot === undefined || mine.boot === undefined) {
    // A system without such ids has one pid namespace a machine; a lock of an earlier version was judged by that alone.
    const sameMachine = mine.boot !== undefined || place.machine === mine.machine;
    return sameNamespace && sameMachine ? 'here' : 'elsewhere';
  }
  if (place.boot === mine.boot) return sameNamespace ? 'here' : 'beside';
  // Machines that were copied may share an id; their names seldom.
  return place.machineId !== undefined && place.machineId === mine.machineId && place.machine === mine.machine
    ? 'before'
    : 'elsewhere';
}

/**
 * What can be said of the holder of a lock file that it touches while it lives. `unknown` until the file has been
 * silent for `silentFor`.
 */
export async function holderState(
  file: string,
  holder: Omit<PlacedProcess, 'startTime'> & { startTime?: string },
  silentFor: number,
): Promise<'alive' | 'dead' | 'unknown'> {
  const nearness = nearnessOf(holder);
  if (nearness === 'here') return processAlive(holder.pid, holder.startTime) ? 'alive' : 'dead';
  const touched = await touchedAt(file);
  if (touched === undefined) return 'dead';
  // A copy of this machine that lives has touched its lock since we were booted.
  if (nearness === 'before' && touched < Date.now() - uptime() * 1_000) return 'dead';
  return Date.now() - touched < silentFor ? 'unknown' : 'dead';
}

/** @returns when a lock file was touched, in milliseconds; undefined when it is gone. */
export async function touchedAt(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
