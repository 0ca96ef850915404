import { StringDecoder } from 'node:string_decoder';

/** A line longer than that is cut where people read it: a program that prints no line ends must not fill the memory. */
export const lineChars = 256 * 1024;
/**
 * For a parser, which needs the whole of an event: programs print what their tools have read, pictures included, in one
 * line of several megabytes.
 */
export const eventChars = 16 * 1024 * 1024;

/** Splits a stream of bytes into lines, also where a character of several bytes or a line is spread over chunks. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  /** The line in hand is too long: what follows up to its end is dropped. */
  #cut = false;

  constructor(
    private readonly onLine: (line: string) => void,
    private readonly mostChars = lineChars,
  ) {}

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
    if (this.#rest.length > this.mostChars) {
      this.#rest = this.#rest.slice(0, this.mostChars);
      this.#cut = true;
    }
  }
}
