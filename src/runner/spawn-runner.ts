import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { agentEnvironment } from '../contract/index.js';
import type { AttemptDir } from './attempt/attempt-dir.js';
import { compiledFile } from '../package/compiled.js';
import { processStartTime } from './processes/process.js';
import type { ProcessIdentity, RunnerConnection, SpawnOutcome } from './types.js';

/** The word on a runner's standard input upon which it begins; its end without the word is its dismissal. */
export const beginWord = 'begin\n';

/**
 * A runner mostly waits, and a host has many of them: a small nursery for young objects and no helper threads for the
 * collector save it a fifth of its memory (114 MB without, 92 MB with, half of that shared; Node 20, after some seconds
 * of a talking agent).
 */
const lean = ['--max-semi-space-size=1', '--v8-pool-size=0'];

/**
 * A runner's process that loads its program (0.3 s of Node.js) while the workspace is prepared. It has touched nothing
 * yet.
 */
export interface BootedRunner {
  /**
   * Tells it to begin. The folder must hold input, token, connection and setup, and the worktree must be ready.
   *
   * Resolves when the runner has passed the fence (lock, one accepted beat, one accepted `start` signal) and the agent
   * is being spawned, or when it has ended without: then no agent exists. One that stands still says neither: nobody
   * may wait for this without a limit.
   */
  begin(): Promise<SpawnOutcome>;
  /** Its process; undefined when that is over: then {@link begin} has its answer, or is about to. */
  readonly process: ProcessIdentity | undefined;
  /** Nobody waits for its answer any more: it goes on, and does not keep this process alive. */
  letGo(): void;
  /** It is not needed: it ends by itself. So it does when this process dies. No effect after {@link begin}. */
  dismiss(): void;
}

/** In place of the attempt's folder among a runner's arguments: it was started for none. */
export const spareFlag = '--spare';

/** What a runner is told of its attempt, on a line of its standard input (JSON). */
export interface RunnerErrand {
  /** Absent on a line before that: a runner that waits for an attempt connects before it has one. */
  folder?: string;
  /** How it will reach the server, as far as is known yet: it connects while its workspace is prepared. */
  connection?: RunnerConnection | undefined;
}
/** What a runner writes of its crash, in the folder of its attempt. */
export const crashLogName = 'runner.out';

/** A runner's process that loads its program, or has. */
export interface LoadedRunner {
  readonly child: ChildProcess;
  /** What it answers; undefined when it ends without an answer. */
  readonly over: Promise<SpawnOutcome | undefined>;
}

/** @returns the variables of every runner of this process. */
export function runnerEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  // The runner must not carry the mark by which the agent's processes are found and ended (a worker may itself run
  // under an agent).
  for (const name of Object.values(agentEnvironment)) delete env[name];
  return env;
}

/** @returns the file of the runner's program. */
export const runnerProgram = (): string => compiledFile('runner/main.bundle');

/**
 * Starts a runner's process: detached, in a session of its own.
 * @param argument the attempt's folder, or {@link spareFlag}.
 * @param out descriptor of its standard output and error; the caller closes it.
 */
export function loadRunner(argument: string, { cwd, out }: { cwd: string; out: number }): LoadedRunner {
  const child = spawn(process.execPath, [...lean, runnerProgram(), argument], {
    detached: true,
    cwd,
    env: runnerEnvironment(),
    stdio: ['pipe', out, out, 'pipe'],
  });
  const answered = answerOf(child.stdio[3] as Readable);
  const failed = new Promise<SpawnOutcome>((resolve) => {
    child.once('error', (error) =>
      resolve({ fenced: false, because: 'failed', refused: `the runner could not be started: ${error.message}` }),
    );
  });
  const over = Promise.race([answered, failed]).finally(() => child.unref());
  // What goes wrong before shows when it is told to begin; nobody asks after one that was dismissed.
  over.catch(() => undefined);
  child.stdin?.on('error', () => undefined);
  return { child, over };
}

/** Tells a loaded runner something of its errand. */
export function tellRunner({ child }: LoadedRunner, errand: RunnerErrand): void {
  child.stdin?.write(`${JSON.stringify(errand)}\n`);
}

/**
 * Tells a loaded runner whose it is.
 * @param from where its words begin in the crash log.
 */
export function sendRunner(
  loaded: LoadedRunner,
  dir: AttemptDir,
  from: number,
  connection: RunnerConnection | undefined,
): BootedRunner {
  const { child, over } = loaded;
  tellRunner(loaded, { folder: dir.path, connection });
  return {
    begin: async () => {
      child.stdin?.end(beginWord);
      const outcome = await over;
      if (outcome !== undefined) return outcome;
      const lines = readFileSync(dir.file(crashLogName), 'utf8').slice(from).trim().split('\n');
      const said = lines.find((line) => /^(?:\w*Error\b|the runner failed)/.test(line)) ?? lines[0];
      return {
        fenced: false,
        because: 'failed',
        refused: `the runner ended before the fence${said ? `: ${said}` : ''}; see ${dir.runnerLog}`,
      };
    },
    get process() {
      const { pid, exitCode, signalCode } = child;
      // As long as its end was not noticed here, its number is nobody else's.
      if (pid === undefined || exitCode !== null || signalCode !== null) return undefined;
      const startTime = processStartTime(pid);
      return startTime === undefined ? undefined : { pid, startTime };
    },
    letGo: () => holdRunner(loaded, false),
    dismiss: () => void child.stdin?.end(),
  };
}

/** @param hold whether this process stays alive for a runner: not for one that waits, or goes on by itself. */
export function holdRunner({ child }: LoadedRunner, hold: boolean): void {
  for (const handle of [child, child.stdin as Socket | null, child.stdio[3] as Socket | null])
    if (hold) handle?.ref();
    else handle?.unref();
}

/**
 * Boots the runner of an attempt, whose folder must exist: detached, in a session of its own. Once told to begin it is
 * deaf to the worker's end.
 * @param connection by which it will reach the server, where that is known already; what lies in the folder when it
 * begins counts.
 */
export function bootRunner(dir: AttemptDir, connection?: RunnerConnection): BootedRunner {
  const crashLog = dir.file(crashLogName);
  const out = openSync(crashLog, 'a', 0o600);
  try {
    const from = statSync(crashLog).size;
    return sendRunner(loadRunner(dir.path, { cwd: dir.path, out }), dir, from, connection);
  } finally {
    closeSync(out);
  }
}

/** {@link bootRunner} and `begin` in one, for a folder that is ready. */
export function spawnRunner(dir: AttemptDir): Promise<SpawnOutcome> {
  return bootRunner(dir).begin();
}

/**
 * The runner writes one line of JSON to its fourth descriptor and closes it; its end without a line closes it as well.
 */
async function answerOf(stream: Readable): Promise<SpawnOutcome | undefined> {
  let text = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) text += chunk as string;
  return text === '' ? undefined : (JSON.parse(text) as SpawnOutcome);
}
