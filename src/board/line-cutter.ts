/** A line may be a megabyte; a page shows so much of it. */
const lineChars = 4_000;

export interface TailLine {
  text: string;
  /** Characters that were left out at its end. */
  cut?: number;
}

/** Makes lines of bytes that come in pieces: a character or a line may be torn anywhere. */
export class LineCutter {
  #rest = '';
  #restCut = 0;
  #decoder = new TextDecoder();

  /** @returns the lines that are whole with these bytes. */
  take(bytes: Uint8Array): TailLine[] {
    const parts = this.#decoder.decode(bytes, { stream: true }).split('\n');
    const last = parts.pop() ?? '';
    const lines = parts.map((part) => {
      this.#append(part);
      return this.#whole();
    });
    this.#append(last);
    return lines;
  }

  /** @returns the last line, which nobody ended; nothing when there is none. */
  leftover(): TailLine[] {
    return this.#rest === '' ? [] : [this.#whole()];
  }

  #append(text: string): void {
    const room = Math.max(lineChars - this.#rest.length, 0);
    this.#rest += text.slice(0, room);
    this.#restCut += Math.max(text.length - room, 0);
  }

  #whole(): TailLine {
    const line: TailLine = this.#restCut > 0 ? { text: this.#rest, cut: this.#restCut } : { text: this.#rest };
    this.#rest = '';
    this.#restCut = 0;
    return line;
  }
}
