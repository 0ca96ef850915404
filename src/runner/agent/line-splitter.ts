import { StringDecoder } from 'node:string_decoder';

/**
 * A line longer than that is cut: no parser needs it whole, and a program that prints no line ends must not fill the
 * memory.
 */
export const lineChars = 256 * 1024;

/** Splits a stream of bytes into lines, also where a character of several bytes or a line is spread over chunks. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  /** The line in hand is too long: what follows up to its end is dropped. */
  #cut = false;

  constructor(private readonly onLine: (line: string) => void) {}

  push(chunk: Buffer): void {
    this.#take(this.#decoder.write(chunk));
  }

  /** A last line without an end counts as well. */
  end(): void {
    this.#take(this.#decoder.end());
    if (this.#rest !== '') this.onLine(this.#rest);
    this.#rest = '';
  }

  #take(text: string): void {
    const lines = text.split('\n');
    const last = lines.pop() ?? '';
    for (const line of lines) {
      this.#append(line);
      this.onLine(this.#rest.endsWith('\r') ? this.#rest.slice(0, -1) : this.#rest);
      this.#rest = '';
      this.#cut = false;
    }
    this.#append(last);
  }

  #append(text: string): void {
    if (this.#cut) return;
    this.#rest += text;
    if (this.#rest.length > lineChars) {
      this.#rest = this.#rest.slice(0, lineChars);
      this.#cut = true;
    }
  }
}
