import { dirname, basename } from 'node:path';
import { createStream } from 'rotating-file-stream';
import type { RotatingFileStream } from 'rotating-file-stream';

/**
 * Three old files of 5 MiB beside the newest: what a person reads after an accident, and no more than 20 MiB an
 * attempt.
 */
const logSize = '5M';
const logFiles = 3;
/** A full disk may have room again later. */
const tryAgainMs = 30_000;

/**
 * @returns a stream into a file that is rotated by size (`name`, `name.1`, …); for `agent.log` and `runner.log` alike.
 */
export const cappedLog = (path: string): RotatingFileStream =>
  createStream(basename(path), { path: dirname(path), size: logSize, rotate: logFiles, mode: 0o600 });

/** The agent's output on disk. A disk that takes nothing costs lines of the log, never the agent. */
export class AgentLog {
  #stream: RotatingFileStream | undefined;
  #brokenAt = -Infinity;
  #waiting: (() => void)[] = [];
  #closed: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly onTrouble: (error: Error) => void,
  ) {}

  /** @returns whether more may be written at once; if not, {@link drained} tells when. */
  write(line: string): boolean {
    if (this.#stream === undefined) {
      if (performance.now() - this.#brokenAt < tryAgainMs) return true;
      this.#stream = this.#open();
    }
    return this.#stream.write(`${line}\n`);
  }

  drained(then: () => void): void {
    if (this.#stream === undefined) then();
    else this.#waiting.push(then);
  }

  /** Resolves when all is on disk, or cannot be brought there. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #close(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once('close', resolve);
      stream.once('error', () => resolve());
      stream.end(() => resolve());
    });
  }

  #open(): RotatingFileStream {
    const stream = cappedLog(this.path);
    stream.on('drain', () => this.#release());
    stream.on('error', (error) => {
      this.onTrouble(error);
      this.#stream = undefined;
      this.#brokenAt = performance.now();
      this.#release();
    });
    return stream;
  }

  #release(): void {
    for (const then of this.#waiting.splice(0)) then();
  }
}
