import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { AgentExit } from '../../agents/types.js';
import type { Launch } from '../../cell/index.js';
import { clip } from '../../contract/index.js';
import { AgentLog } from './agent-log.js';
import { eventChars, lineChars, LineSplitter } from './line-splitter.js';
import { processStartTime } from '../processes/process.js';
import type { ProcessIdentity } from '../types.js';

export interface AgentProcessOptions {
  /** What is spawned: the agent's command behind its walls. */
  command: Launch;
  /** For its standard input. */
  stdin?: string | undefined;
  cwd: string;
  logPath: string;
  /** Every line of output, in order, each stream by itself. */
  onLine(line: string, stream: 'stdout' | 'stderr'): void;
  /** The log cannot be written, or the prompt not delivered: nothing that ends the agent. */
  onTrouble(what: string, error: Error): void;
}

/** Kept for the reason of an end. */
const lastLinesKept = 20;
const lastLineChars = 300;
/** A process that outlives the agent may hold its pipes open; what the agent itself has written is through by then. */
const drainMs = 500;

/** The agent's own process: leader of its process group, its output read line by line and logged. */
export class AgentProcess {
  /** Undefined when it could not be started; `exit` says why. */
  readonly group: (ProcessIdentity & { pgid: number }) | undefined;
  /** Resolves when the agent's own process has ended and its output is read; what it has left behind may still run. */
  readonly exit: Promise<AgentExit>;
  readonly #log: AgentLog;
  readonly #lastLines: string[] = [];
  /** Its program runs: what is said from now on is the agent's, whoever it claims to be. */
  #begun = false;

  constructor(private readonly options: AgentProcessOptions) {
    const { command, cwd } = options;
    this.#log = new AgentLog(options.logPath, (error) => options.onTrouble('agent log', error));
    if (command.refused !== undefined) {
      this.group = undefined;
      this.exit = Promise.resolve({ spawnError: command.refused, lastLines: [] });
      return;
    }
    let child: ChildProcess;
    try {
      child = spawn(command.file, command.args, {
        cwd,
        env: command.env,
        detached: true,
        stdio: ['pipe', 'pipe', 'pipe'],
      });
    } catch (error) {
      // What cannot be an argument (a NUL, more than the kernel takes) is refused here and now, not by an event.
      this.group = undefined;
      this.exit = Promise.resolve({
        spawnError: (error as NodeJS.ErrnoException).code ?? String(error),
        lastLines: [],
      });
      return;
    }
    const { pid } = child;
    // Detached means leader of its group, so the group's number is the pid. Gone already: no start time, but its
    // children may live.
    this.group = pid === undefined ? undefined : { pid, pgid: pid, startTime: processStartTime(pid) ?? 'gone' };
    this.exit = this.#watch(child);
    child.stdin?.on('error', (error) => options.onTrouble('prompt', error));
    child.stdin?.end(options.stdin ?? '');
  }

  /** Resolves when the log is on disk. Called when no process of the attempt is left. */
  close(): Promise<void> {
    return this.#log.close();
  }

  #watch(child: ChildProcess): Promise<AgentExit> {
    const { command } = this.options;
    this.#read(child.stdout, 'stdout');
    this.#read(child.stderr, 'stderr');
    return new Promise((resolve) => {
      const end = (exit: Omit<AgentExit, 'lastLines'>): void => resolve({ ...exit, lastLines: [...this.#lastLines] });
      child.once('error', (error) => {
        if (child.pid === undefined) end({ spawnError: (error as NodeJS.ErrnoException).code ?? error.message });
        else this.options.onTrouble('agent process', error);
      });
      child.once('exit', (code, signal) => {
        const ended = (): void => {
          clearTimeout(timer);
          const spawnError = this.#begun ? undefined : command.failure(code ?? undefined, this.#lastLines);
          if (spawnError !== undefined) return end({ spawnError });
          end({ code: code ?? undefined, signal: signal ?? undefined });
        };
        const timer = setTimeout(ended, drainMs);
        child.once('close', ended);
      });
    });
  }

  #read(stream: Readable | null, name: 'stdout' | 'stderr'): void {
    if (stream === null) return;
    const splitter = new LineSplitter((line) => this.#take(line, name, stream), eventChars);
    stream.on('data', (chunk: Buffer) => splitter.push(chunk));
    stream.on('end', () => splitter.end());
    stream.on('error', (error) => this.options.onTrouble(name, error));
  }

  #take(line: string, name: 'stdout' | 'stderr', stream: Readable): void {
    const { begun } = this.options.command;
    if (!this.#begun && begun !== undefined && name === 'stdout' && line.trimEnd() === begun) {
      this.#begun = true;
      return;
    }
    if (line.trim() !== '') {
      this.#lastLines.push(clip(line, lastLineChars));
      if (this.#lastLines.length > lastLinesKept) this.#lastLines.shift();
    }
    if (!this.#log.write(line.slice(0, lineChars)) && !stream.isPaused()) {
      stream.pause();
      this.#log.drained(() => stream.resume());
    }
    this.options.onLine(line, name);
  }
}
