/** How somebody who listens is told. */
export type Tell<News> = (news: News) => void;

/** Those who listen to one subject. */
export interface Listeners<News> {
  /** Tells all of them. */
  tell: Tell<News>;
  /** What whoever comes later hears first. */
  first?: () => News | undefined;
}

/** Looks at a subject once, and tells what is new. Resolves with how long to wait until the next look. */
export type Round = () => Promise<number>;

interface Subject {
  loop: Promise<void>;
  wake: () => void;
}
interface Heard<News> extends Subject {
  listeners: Set<Tell<News>>;
  first: () => News | undefined;
}

/** After a round that failed in a way that it did not foresee. */
const againAfter = 5_000;

/**
 * Subjects that are looked at again and again for as long as somebody listens: one loop for each of them, however many
 * listen, and none where nobody does.
 */
export class Listened<News> {
  readonly #begin: (id: string, listeners: Listeners<News>) => Round;
  readonly #log: (line: string) => void;
  readonly #subjects = new Map<string, Heard<News>>();
  /** Loops whose last listener has left; they end with the round that is under way. */
  readonly #ending = new Set<Promise<void>>();

  /** @param begin called when the first one listens to a subject. */
  constructor(begin: (id: string, listeners: Listeners<News>) => Round, log: (line: string) => void) {
    this.#begin = begin;
    this.#log = log;
  }

  /** @returns what ends it. */
  subscribe(id: string, tell: Tell<News>): () => void {
    const subject = this.#subjects.get(id) ?? this.#open(id);
    subject.listeners.add(tell);
    const first = subject.first();
    if (first !== undefined) tell(first);
    return () => {
      subject.listeners.delete(tell);
      if (subject.listeners.size === 0) this.#close(id, subject);
    };
  }

  /** The next round begins now, or right after the one that is under way. */
  lookSoon(id: string): void {
    this.#subjects.get(id)?.wake();
  }

  /** Resolves when no round is under way any more. */
  async end(): Promise<void> {
    for (const [id, subject] of this.#subjects) {
      subject.listeners.clear();
      this.#close(id, subject);
    }
    await Promise.all(this.#ending);
  }

  #open(id: string): Heard<News> {
    const listeners = new Set<Tell<News>>();
    const all: Listeners<News> = {
      tell: (news) => {
        for (const tell of listeners) tell(news);
      },
    };
    const round = this.#begin(id, all);
    const subject = { listeners, first: () => all.first?.(), ...repeated(() => this.#tried(id, round), listeners) };
    this.#subjects.set(id, subject);
    return subject;
  }

  #close(id: string, subject: Heard<News>): void {
    // Who comes back meanwhile begins anew.
    if (this.#subjects.get(id) !== subject) return;
    this.#subjects.delete(id);
    this.#ending.add(subject.loop);
    void subject.loop.finally(() => this.#ending.delete(subject.loop));
    subject.wake();
  }

  async #tried(id: string, round: Round): Promise<number> {
    try {
      return await round();
    } catch (error) {
      this.#log(
        `${id} could not be looked at: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      return againAfter;
    }
  }
}

/** Runs rounds, one at a time, until nobody listens any more. */
function repeated(round: Round, listeners: ReadonlySet<unknown>): Subject {
  let woken = false;
  let wake = (): void => undefined;
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (woken) return resolve();
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const run = async (): Promise<void> => {
    // Whoever has begun this is about to listen.
    await Promise.resolve();
    while (listeners.size > 0) {
      woken = false;
      const ms = await round();
      if (listeners.size > 0) await pause(ms);
    }
  };
  return {
    loop: run(),
    wake: () => {
      woken = true;
      wake();
    },
  };
}

/**
 * @returns how long to wait so that looks begin so often, also where they take a part of that; a server that is slow
 * still gets a moment between two.
 */
export const restOf = (every: number, startedAt: number, now = Date.now()): number =>
  Math.max(every / 5, every - (now - startedAt));
