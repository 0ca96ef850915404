import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithUs } from './end-with-us.js';

/** A server that saves at every step has little to finish. */
const graceMs = 10_000;

export interface ServerProcessOptions {
  /** What it prints; default: a temporary file, removed by `stop` and `kill`. */
  logFile?: string | undefined;
  /** It goes on when this process ends; otherwise it is ended then. */
  outlive?: boolean;
}

/**
 * The server asks the system who it is, and ends when nobody can tell: a user id that no file knows (a container with
 * an id of its own), in an environment without names.
 * @param folder its home when it has none.
 * @returns the environment, with what is missing in it.
 */
export function namedUser(env: NodeJS.ProcessEnv, folder: string): NodeJS.ProcessEnv {
  return { ...env, USER: env['USER'] || `uid-${process.getuid?.() ?? 'unknown'}`, HOME: env['HOME'] || folder };
}

/** A line of the server's log as people read one; a stack that it carries stays in its file. */
const lineLength = 300;

export function readableLine(line: string): string {
  let text = line;
  try {
    const { level, msg, error } = JSON.parse(line) as Record<string, unknown>;
    if (typeof msg === 'string')
      text = [level, msg, error].filter((part) => typeof part === 'string' && part !== '').join(': ');
  } catch (parseError) {
    if (!(parseError instanceof SyntaxError)) throw parseError;
  }
  return text.length > lineLength ? `${text.slice(0, lineLength)}…` : text;
}

/**
 * A server as a child process in a process group of its own: a Ctrl-C is for us, and we end the server after all that
 * uses it. What it prints goes to a file, since a pipe would end with us.
 */
export class ServerProcess {
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #signal: (signal: NodeJS.Signals) => void;
  readonly #temporary: string | undefined;

  /** @throws when the program cannot be started. */
  constructor(program: string, args: readonly string[], { logFile, outlive = false }: ServerProcessOptions = {}) {
    this.#temporary = logFile === undefined ? mkdtempSync(join(tmpdir(), 'heartbead-server-')) : undefined;
    this.logFile = logFile ?? join(this.#temporary!, 'server.log');
    mkdirSync(dirname(this.logFile), { recursive: true });
    const output = openSync(this.logFile, 'a', 0o600);
    // Its database has every prompt: what it makes is for this user alone.
    const before = process.umask(0o077);
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', output, output],
      env: namedUser(process.env, dirname(this.logFile)),
    });
    process.umask(before);
    closeSync(output);
    // Node tells the reason (no such file, not executable) only by this event; without a listener it would end the
    // whole process.
    child.once('error', () => undefined);
    if (child.pid === undefined) throw new Error(`${program} cannot be started: is it there, and executable?`);
    this.pid = child.pid;
    this.#signal = (signal) => void child.kill(signal);
    const release = outlive ? undefined : endWithUs(this.pid);
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        release?.();
        resolve();
      });
    });
    if (outlive) child.unref();
  }

  /** SIGTERM, after 10 s SIGKILL. Resolves when it is gone; may be called again. */
  async stop(): Promise<void> {
    this.#signal('SIGTERM');
    const late = await Promise.race([this.ended.then(() => false), sleep(graceMs, true, { ref: false })]);
    if (late) this.#signal('SIGKILL');
    await this.#gone();
  }

  /** SIGKILL, as a power cut would. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    await this.#gone();
  }

  /** The end of what it printed, for people. */
  lastLines(count = 5): string[] {
    const lines = readFileSync(this.logFile, 'utf8')
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '')
      .map(readableLine);
    return [...new Set(lines)].slice(-count);
  }

  async #gone(): Promise<void> {
    await this.ended;
    if (this.#temporary !== undefined) await rm(this.#temporary, { recursive: true, force: true });
  }
}
