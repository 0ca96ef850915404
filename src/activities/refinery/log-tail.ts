import { stripVTControlCharacters } from 'node:util';

/**
 * What an agent is shown of a failed check: enough for the failures of a test run, and no more than a prompt should
 * carry.
 */
const tailLines = 60;
const tailBytes = 4 * 1024;

/**
 * Keeps the last lines of a check's output for people and prompts: without colours, and of a line that was rewritten in
 * place only what was left to be seen.
 */
export class LogTail {
  readonly #lines: string[] = [];

  push(lines: readonly string[]): void {
    for (const line of lines.slice(-tailLines)) {
      const text =
        stripVTControlCharacters(line)
          .split('\r')
          .findLast((part) => part !== '') ?? '';
      // A line beyond the limit would be cut below anyway; it need not be kept whole.
      this.#lines.push(text.length > tailBytes ? text.slice(-tailBytes) : text);
    }
    if (this.#lines.length > tailLines) this.#lines.splice(0, this.#lines.length - tailLines);
  }

  /** @returns at most 60 lines and 4 KB, of what is too long the end. */
  text(): string {
    const bytes = Buffer.from(this.#lines.join('\n'));
    if (bytes.length <= tailBytes) return bytes.toString('utf8');
    const cut = '…';
    // Cut by bytes, the first character may lose its first ones.
    return (
      cut +
      bytes
        .subarray(bytes.length - tailBytes + Buffer.byteLength(cut))
        .toString('utf8')
        .replace(/^\uFFFD+/, '')
    );
  }
}
