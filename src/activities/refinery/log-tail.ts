import { stripVTControlCharacters } from 'node:util';

/** What an agent is shown of a failed check: enough for the failures of a test run, and no more than a prompt should carry. */
const tailLines = 60;
const tailBytes = 4 * 1024;

/** Keeps the last lines of a check's output for people and prompts: without colours, and of a line that was rewritten in place only what was left to be seen. */
export class LogTail {
  readonly #lines: string[] = [];

  push(lines: readonly string[]): void {
    for (const line of lines.slice(-tailLines)) {
      const text = stripVTControlCharacters(line).split('\r').findLast((part) => part !== '') ?? '';
      // A line beyond the limit would be cut below anyway; it need not be kept whole.
      this.#lines.push(text.length > tailBytes ? text.slice(-tailBytes) : text);
    }
    if (this.#lines.length > tailLines) this.#lines.splice(0, this.#lines.length - tailLines);
  }

  /** @returns at most 60 lines and 4 KB; the newest are kept, and of a single line too long its end. */
  text(): string {
    const kept: string[] = [];
    let bytes = 0;
    for (const line of this.#lines.toReversed()) {
      bytes += Buffer.byteLength(line) + 1;
      if (bytes > tailBytes && kept.length > 0) break;
      kept.unshift(line);
    }
    // Cut by bytes, a character may lose its first ones.
    return Buffer.from(kept.join('\n')).subarray(-tailBytes).toString('utf8').replace(/^\uFFFD+/, '');
  }
}
