import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AgentLog } from '../../runner/agent/agent-log.js';

/**
 * The full output of an item's checks, over all its merges, rotated by size. A disk that takes nothing costs lines of
 * the log, never the merge.
 */
export class CheckLog {
  readonly #log: AgentLog;

  private constructor(path: string, onTrouble: (error: Error) => void) {
    this.#log = new AgentLog(path, onTrouble);
  }

  static async open(path: string, onTrouble: (error: Error) => void): Promise<CheckLog> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return new CheckLog(path, onTrouble);
  }

  /** A line of the refinery's own among those of the checks. */
  say(text: string): void {
    this.#log.write(`--- ${new Date().toISOString()} ${text}`);
  }

  /** @returns whether more may be written at once; if not, {@link drained} tells when. */
  write(lines: readonly string[]): boolean {
    return this.#log.write(lines.join('\n'));
  }

  drained(then: () => void): void {
    this.#log.drained(then);
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
