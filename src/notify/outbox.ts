import { Mutex } from 'async-mutex';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { isMissing } from '../edge/errors.js';
import type { Notification } from './event.js';

/** One notification on its way to one hook. */
export interface Letter {
  hook: string;
  notification: Notification;
  tries: number;
  notBefore: number;
  /** Given up then. */
  until: number;
}

interface Kept {
  /** What ended before is not looked for again. Milliseconds. */
  since: number;
  /** Ids of what is told or on its way, with when it was last seen. */
  known: Record<string, number>;
  letters: Letter[];
}

/**
 * Visibility is late, and clocks of servers differ: what ended so shortly before is looked for once more, and told by
 * its id.
 */
const overlap = 10 * 60_000;
/**
 * An id that was not seen for so long is forgotten; well over the overlap, and over any blink of the visibility store.
 */
const rememberFor = 24 * 60 * 60_000;
/** A receiver that is away for longer has other ways to learn what happened. */
const giveUpAfter = 24 * 60 * 60_000;
const firstPause = 5_000;
const longestPause = 10 * 60_000;

/**
 * What is still to be told, on disk: an event is written here, with its id, before it is sent anywhere, and a letter
 * leaves only when it was delivered. So a crash at any moment may tell something twice, but leaves nothing untold.
 */
export class Outbox {
  readonly #path: string;
  #kept: Kept;
  /** Several hooks are told at once, and each says what became of its letter. */
  readonly #turns = new Mutex();

  private constructor(path: string, kept: Kept) {
    this.#path = path;
    this.#kept = kept;
  }

  /** @param now the first time, nothing older than this is told. */
  static async open(home: string, now: number): Promise<Outbox> {
    const path = join(home, 'notifications-sent.json');
    try {
      return new Outbox(path, {
        since: now,
        known: {},
        letters: [],
        ...(JSON.parse(await readFile(path, 'utf8')) as Partial<Kept>),
      });
    } catch (error) {
      if (!(error instanceof SyntaxError) && !isMissing(error)) throw error;
      return new Outbox(path, { since: now, known: {}, letters: [] });
    }
  }

  /** From when on the server is asked for what has ended. */
  get since(): number {
    return this.#kept.since - overlap;
  }

  get letters(): readonly Letter[] {
    return this.#kept.letters;
  }

  /** Takes in what a look has found. @returns how many of it are new. */
  async take(
    found: readonly Notification[],
    hooksOf: (notification: Notification) => string[],
    now: number,
  ): Promise<number> {
    const { known, since } = this.#kept;
    // What had ended before the very first look is not told, though the overlap finds it.
    const started = this.#kept.known['started'] ?? since;
    const fresh = found.filter(({ id, at, fix }) => known[id] === undefined && (fix !== undefined || at >= started));
    const seen = Object.fromEntries([
      ...Object.entries(known).filter(([id, at]) => id === 'started' || now - at < rememberFor),
      ...found.map(({ id }) => [id, now] as const),
      ['started', started] as const,
    ]);
    const added = fresh.flatMap((notification) =>
      hooksOf(notification).map((hook): Letter => ({
        hook,
        notification,
        tries: 0,
        notBefore: now,
        until: now + giveUpAfter,
      })),
    );
    await this.#change(({ letters }) => ({ since: now, known: seen, letters: [...letters, ...added] }));
    return fresh.length;
  }

  due(now: number): Letter[] {
    return this.#kept.letters.filter(({ notBefore }) => notBefore <= now);
  }

  async delivered(letter: Letter): Promise<void> {
    await this.#change((kept) => ({ ...kept, letters: kept.letters.filter((other) => other !== letter) }));
  }

  /** @returns when it is tried again, or undefined when it was given up. */
  async failed(letter: Letter, now: number): Promise<number | undefined> {
    const notBefore = now + Math.min(firstPause * 2 ** letter.tries, longestPause);
    if (notBefore > letter.until) {
      await this.delivered(letter);
      return undefined;
    }
    await this.#change((kept) => ({
      ...kept,
      letters: kept.letters.map((other) =>
        other === letter ? { ...letter, tries: letter.tries + 1, notBefore } : other,
      ),
    }));
    return notBefore;
  }

  #change(of: (kept: Kept) => Kept): Promise<void> {
    return this.#turns.runExclusive(async () => {
      const kept = of(this.#kept);
      await writeFileAtomic(this.#path, `${JSON.stringify(kept)}\n`, { mode: 0o600 });
      this.#kept = kept;
    });
  }
}
