import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { agentEnvironmentFrom, portVariables } from '../../agents/environment.js';
import { clearRooms, launch, openGate, planCell } from '../../cell/index.js';
import type { AgentCell, Check } from '../../contract/index.js';
import { durationText } from '../../domain/words.js';
import type { PortBlock } from '../../runner/index.js';
import { endProcesses } from '../../runner/processes/end-processes.js';
import { LineSplitter } from '../../runner/agent/line-splitter.js';
import { processStartTime } from '../../runner/processes/process.js';

/** The mark of a check's processes: its value is the scratch tree, which no two merges share. */
export const checkMark = 'HEARTBEAD_MERGE_TREE';

/** Lines of what walls complain of; one says it all. */
const mostComplaints = 20;
/** From SIGTERM to SIGKILL: 5 s, for a test run to remove what it has set up. */
const endGrace = 5_000;
/** A pipe that a process outside of our reach still holds open; all that the check itself wrote is read long before. */
const lingerLimit = 5_000;

export interface CheckOptions {
  check: Check;
  /** The merged tree; the working directory of the check. */
  tree: string;
  /** Folders of objects that its repository borrows, as they were known before anything foreign ran in it. */
  borrowed: readonly string[];
  /** The host's variables, of which a check sees what an agent sees. */
  env: NodeJS.ProcessEnv;
  /** Names of further variables of the host that it may see. */
  names?: readonly string[];
  ports?: PortBlock | undefined;
  /** By what its processes are known; the tree, where nothing else is said. */
  mark?: { variable: string; value: string };
  /** The state directory, whose settings say what checks run in. */
  home: string;
  /** Whose beads those settings may treat otherwise. */
  rig?: string | undefined;
  /** What the bead asks for, before what the host's settings say. */
  cell?: AgentCell | undefined;
  /** Where its home lies in a sandbox, for what comes after it; by default it is its own, and gone with it. */
  rooms?: string;
  /** @returns whether more can be taken at once; if not, nothing more comes before `drained` calls back. */
  onLines: (lines: readonly string[]) => boolean;
  drained: (then: () => void) => void;
  signal: AbortSignal;
}

export interface CheckEnd {
  ok: boolean;
  timedOut: boolean;
  /** SIGKILL, which nobody here has sent: most often a host that is out of memory. */
  killed: boolean;
  /** `ended with exit code 3 in 12 s`. */
  how: string;
}

/**
 * Ends whatever checks have left running in a scratch tree, also those of a worker that was killed (on Linux). Resolves
 * when none is left.
 */
export const endChecks = async (tree: string): Promise<void> =>
  void (await endProcesses({ attempt: tree, variable: checkMark, graceMs: endGrace }));

/**
 * Runs a check by `sh -c`, in a process group of its own, with nothing on its standard input. Whatever the end, no
 * process of it is left when this resolves.
 * @throws the signal's reason when it was aborted; Error when it could not be started.
 */
export async function runCheck({
  check,
  tree,
  borrowed,
  env,
  home,
  rig,
  cell,
  rooms,
  names = [],
  ports,
  mark = { variable: checkMark, value: tree },
  onLines,
  drained,
  signal,
}: CheckOptions): Promise<CheckEnd> {
  signal.throwIfAborted();
  const startedAt = performance.now();
  const ownRooms = `${tree}.cell`;
  // The first word from within, before anything of the check's own runs: whatever is said after it, by whatever way, is
  // the check's. A command can write to what its walls complain to (`/proc/1/fd/2`).
  const begun = `begun ${randomUUID()}`;
  let hasBegun = false;
  // Both outputs through one pipe, so that the log has them in the order in which they were written.
  const tenant = {
    command: { file: 'sh', args: ['-c', 'echo "$2"; exec sh -c "$1" 2>&1', 'sh', check.command, begun] },
    env: agentEnvironmentFrom(env, names, { [mark.variable]: mark.value, ...portVariables(ports) }),
    worktree: tree,
    borrowed,
    home,
    read: [],
    write: [],
    rooms: rooms ?? ownRooms,
  };
  const plan = planCell('checks', { home, rig, asked: cell, env });
  const gate = await openGate(
    plan,
    (destination) => void onLines([`[the sandbox refused the way out to ${destination}]`]),
  );
  const walled = launch(plan, { ...tenant, gate: gate?.socket });
  // Not the work's fault: the server tries again, and says what this host lacks.
  if (walled.refused !== undefined) {
    await gate?.close();
    throw new Error(`check ${check.name} cannot be run as this host's settings want it: ${walled.refused}`);
  }
  const child = spawn(walled.file, walled.args, {
    cwd: tree,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: walled.env,
  });
  // Line by line only to take apart what came at once: a check may print without end.
  let batch: string[] = [];
  const lines = new LineSplitter((line) => {
    if (hasBegun || line.trimEnd() !== begun) batch.push(line);
    else hasBegun = true;
  });
  const flush = (): boolean => {
    const taken = batch.length === 0 || onLines(batch);
    batch = [];
    return taken;
  };
  child.stdout.on('data', (chunk: Buffer) => {
    lines.push(chunk);
    if (flush()) return;
    child.stdout.pause();
    drained(() => child.stdout.resume());
  });
  // The check's own errors go where its output goes: here only its walls speak.
  const ofWalls: string[] = [];
  const complaints = new LineSplitter((line) => void (ofWalls.length < mostComplaints && ofWalls.push(line)));
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
  const { pid } = child;
  const group = pid === undefined ? undefined : { pid, pgid: pid, startTime: processStartTime(pid) ?? 'gone' };
  const endAll = (): Promise<unknown> =>
    endProcesses({ attempt: mark.value, variable: mark.variable, graceMs: endGrace, group });

  const cut = whenCut(signal, check.timeout);
  const closed = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  try {
    const first = await Promise.race([ended(child), cut.promise]);
    // Also after a success: what it left behind would keep the tree, and a later check, busy.
    await endAll();
    await atMost(closed, lingerLimit);
    child.stdout.destroy();
    child.stderr.destroy();
    complaints.end();
    lines.end();
    flush();
    signal.throwIfAborted();
    const took = durationText(performance.now() - startedAt);
    if (first === 'timeout')
      return {
        ok: false,
        timedOut: true,
        killed: false,
        how: `did not end within ${durationText(check.timeout)}, and was ended with all its processes`,
      };
    if (first === 'abort') throw signal.reason;
    const wall = hasBegun ? undefined : walled.failure(first.code ?? undefined, ofWalls);
    if (wall !== undefined)
      throw new Error(`check ${check.name} could not be begun in its sandbox: ${wall} (\`heartbead doctor\` tries it)`);
    return { ok: first.code === 0, timedOut: false, killed: wasKilled(first), how: `${howItEnded(first)} in ${took}` };
  } finally {
    cut.clear();
    await gate?.close();
    if (rooms === undefined) await clearRooms(ownRooms);
  }
}

type Exit = { code: number | null; signal: NodeJS.Signals | null };

const ended = (child: ChildProcess): Promise<Exit> =>
  new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (cause) => reject(new Error(`a check could not be started: ${cause.message}`, { cause })));
  });

function whenCut(signal: AbortSignal, timeout: number): { promise: Promise<'timeout' | 'abort'>; clear: () => void } {
  let clear = (): void => undefined;
  const promise = new Promise<'timeout' | 'abort'>((resolve) => {
    const onAbort = (): void => resolve('abort');
    const timer = setTimeout(() => resolve('timeout'), timeout);
    signal.addEventListener('abort', onAbort, { once: true });
    clear = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  });
  return { promise, clear };
}

async function atMost(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** A shell tells of a command's signal by 128 and its number. */
const wasKilled = ({ code, signal }: Exit): boolean => signal === 'SIGKILL' || code === 128 + constants.signals.SIGKILL;

function howItEnded({ code, signal }: Exit): string {
  if (signal !== null) return `was ended by ${signal}`;
  // A shell tells of a command's signal by 128 and its number.
  const name =
    code === null || code <= 128
      ? undefined
      : Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return `ended with exit code ${code ?? '?'}${name === undefined ? '' : ` (${name})`}`;
}
