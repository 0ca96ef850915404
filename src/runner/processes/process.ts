import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** One line of the host's process table. */
export interface ProcessEntry {
  pid: number;
  ppid: number;
  pgid: number;
  /** As {@link processStartTime} gives it. */
  startTime: string;
  /** Ended, and only waiting for its parent to notice. */
  zombie: boolean;
  /** Stands still, by SIGSTOP or a debugger. */
  stopped: boolean;
}

const onLinux = process.platform === 'linux';

/** Ticks since boot repeat after a reboot; with the boot's id they do not. */
let boot: string | undefined;
const bootId = (): string => {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  return boot;
};

/** Errors by which /proc says that the process is gone or not ours to look at. */
const unreadable = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

function readProc(pid: number | string, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (unreadable.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** @param place where /proc has it: a thread has a place of its own. */
function linuxEntry(pid: number, place = String(pid)): ProcessEntry | undefined {
  const text = readProc(place, 'stat');
  if (text === undefined) return undefined;
  // The name in parentheses may itself hold blanks and parentheses: count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    ppid: Number(fields[1]),
    pgid: Number(fields[2]),
    startTime: `${bootId()}-${fields[19]}`,
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    stopped: fields[0] === 'T' || fields[0] === 't',
  };
}

/** Elsewhere `ps` tells the same, by the second. */
function psEntries(args: string[]): ProcessEntry[] {
  const { stdout } = spawnSync('ps', [...args, '-o', 'pid=,ppid=,pgid=,stat=,lstart='], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return (stdout ?? '').split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (!match) return [];
    const [, pid, ppid, pgid, stat, start] = match as unknown as [string, string, string, string, string, string];
    return [
      {
        pid: Number(pid),
        ppid: Number(ppid),
        pgid: Number(pgid),
        startTime: start,
        zombie: stat.startsWith('Z'),
        stopped: stat.startsWith('T'),
      },
    ];
  });
}

/** @returns which pid namespace a process is in, or undefined when that cannot be seen. */
export function pidNamespace(pid: number | 'self'): string | undefined {
  if (!onLinux) return undefined;
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch (error) {
    if (unreadable.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

const entryOf = (pid: number): ProcessEntry | undefined =>
  onLinux ? linuxEntry(pid) : psEntries(['-p', String(pid)])[0];

/** @returns the host's process table. */
export function processTable(): ProcessEntry[] {
  if (!onLinux) return psEntries(['-ax']);
  return readdirSync('/proc').flatMap((name) => {
    const entry = /^\d+$/.test(name) ? linuxEntry(Number(name)) : undefined;
    return entry === undefined ? [] : [entry];
  });
}

/**
 * @returns the value of a variable in the environment that a process was started with; undefined also when it may not
 * be read.
 */
export function environmentOf(pid: number, name: string): string | undefined {
  if (!onLinux) return undefined;
  const line = readProc(pid, 'environ')
    ?.split('\0')
    .find((entry) => entry.startsWith(`${name}=`));
  return line?.slice(name.length + 1);
}

/**
 * When a process was started: with the pid it names one process for good, since pids are used again. To be compared for
 * equality only.
 * @returns undefined when there is no such process.
 */
export function processStartTime(pid: number): string | undefined {
  return entryOf(pid)?.startTime;
}

/**
 * @param startTime from {@link processStartTime}; without it any process with that pid counts.
 * @returns whether this very process runs. A zombie does not: in a container without an init it would stay one for
 * ever.
 */
export function processAlive(pid: number, startTime?: string): boolean {
  const entry = entryOf(pid);
  return entry !== undefined && !entry.zombie && (startTime === undefined || entry.startTime === startTime);
}

/** @returns whether this very process runs no instruction until somebody continues it. */
export function processStopped(pid: number, startTime?: string): boolean {
  const entry = entryOf(pid);
  return entry !== undefined && entry.stopped && (startTime === undefined || entry.startTime === startTime);
}

/**
 * @returns whether no thread of a process runs any more, after it was told to stop: SIGSTOP reaches them one by one.
 * One that has ended stands still as well.
 */
export function standsStill(pid: number): boolean {
  if (!onLinux) return entryOf(pid)?.stopped ?? true;
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    if (unreadable.has((error as NodeJS.ErrnoException).code ?? '')) return true;
    throw error;
  }
  return threads.every((thread) => {
    const entry = linuxEntry(pid, `${pid}/task/${thread}`);
    return entry === undefined || entry.stopped || entry.zombie;
  });
}
