import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endAttempts } from '../../../src/cli/demo/kill.js';
import { whenWeEnd } from '../../../src/server/end-with-us.js';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
/**
 * What people and scripts run. It builds first when the sources have changed, which would show in what these tests
 * read.
 */
export const bin = at('bin/heartbead.mjs');
/** What it runs: the set-up of these tests has compiled it. */
export const main = at('dist/programs/heartbead.js');

/** How a command ended. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A state directory of its own, and commands that know nothing but it and the server they are given. */
export class Cli {
  readonly home = mkdtempSync(join(tmpdir(), 'heartbead-cli-'));
  private readonly children = new Set<ChildProcess>();
  /**
   * What `up` starts, and agents, are made to outlive the process that started them; a test run that is interrupted
   * must not leave them.
   */
  readonly #calledOff = whenWeEnd([process.execPath, at('test/cli/support/end-town.mjs')], {
    ...process.env,
    TOWN_TO_END: this.home,
  });

  constructor(private readonly env: Record<string, string> = {}) {}

  environment(more: Record<string, string> = {}): Record<string, string> {
    // Neither the settings of whoever runs the tests nor those of an agent they may themselves run under.
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.home,
      TERM: 'dumb',
      HEARTBEAD_HOME: this.home,
      HEARTBEAD_SANDBOX: process.env['HEARTBEAD_SANDBOX'] ?? 'none',
      ...this.env,
      ...more,
    };
  }

  /** Starts a command, or another executable with these arguments. It is ended by `end()` at the latest. */
  start(
    args: string[],
    {
      env = {},
      cwd,
      program = main,
      executable,
    }: { env?: Record<string, string>; cwd?: string; program?: string; executable?: string } = {},
  ): ChildProcess {
    const child = spawn(executable ?? process.execPath, executable === undefined ? [program, ...args] : args, {
      env: this.environment(env),
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd,
    });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }

  /** Runs a command to its end. */
  run(
    args: string[],
    options: { env?: Record<string, string>; cwd?: string; stdin?: string; program?: string } = {},
  ): Promise<Ran> {
    const child = this.start(args, options);
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      // A command that refuses its input before it has read it closes the pipe.
      if (error.code !== 'EPIPE') throw error;
    });
    child.stdin?.end(options.stdin ?? '');
    return finished(child);
  }

  /** Runs a command with `--json` that must succeed. @returns what it printed. */
  async json<T = Record<string, unknown>>(args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run([...args, '--json']);
    if (code !== 0) throw new Error(`heartbead ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /**
   * Ends what is still running (agents too, which outlive their worker by design), waits for it, and removes the state
   * directory.
   */
  async end(): Promise<void> {
    for (const child of this.children) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
    await endAttempts(this.home);
    this.#calledOff();
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Resolves when a process has ended and everything it printed has been read. */
export function finished(child: ChildProcess): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

/** Resolves with the first line of a stream that matches; rejects when the process ends without one. */
export function lineOf(child: ChildProcess, stream: 'stdout' | 'stderr', pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const found = text.split('\n').find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
    });
    child.once('close', (code) =>
      reject(new Error(`ended with ${code} before ${String(pattern)} was printed: ${text.slice(-2_000)}`)),
    );
  });
}
