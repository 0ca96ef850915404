import { AttemptReader } from '../client/attempt-reader.js';
import { BeadClient } from '../client/beads.js';
import type { Town } from '../client/connect.js';
import { AttemptUnreadableError, ClientError, HostAwayError, NoWorkerError } from '../client/errors.js';
import { refusal } from '../client/refusals.js';
import type { BeadView } from '../contract/index.js';
import type { LogLines } from './api-types.js';
import { attemptPlace } from './attempts-here.js';
import type { AttemptPlace } from './attempts-here.js';
import { LineCutter } from './line-cutter.js';
import type { TailLine } from './line-cutter.js';
import { LogTail } from './log-tail.js';
import type { TownLink } from './town-link.js';

const deadline = 10_000;
/** A log of this machine is looked at so often; of another host so long after an answer, since each costs a workflow. */
const lookEvery = { here: 300, elsewhere: 500 };
/** Another host holds a question back for so long while nothing is new. */
const waitMs = 5_000;
/** A host that is away may come back. */
const againAfter = 5_000;
/** The bead is asked for its next attempt so often. */
const askEvery = 2_000;
const answerWithin = 3_000;
/** What is kept for a page that comes later. */
const mostLines = 2_000;

interface Source {
  newLines(): Promise<TailLine[]>;
}

/** The log of an attempt on another host, from its end on. */
class RemoteTail implements Source {
  readonly #reader: AttemptReader;
  readonly #cutter = new LineCutter();
  #begun = false;

  constructor(town: Town, { bead, attempt, host }: { bead: string; attempt: string; host: string }) {
    this.#reader = new AttemptReader(town, { bead, attempt, host, part: 'agent-log' }, true);
  }

  /** @throws HostAwayError and others of the reader; the next call goes on where this one broke off. */
  async newLines(): Promise<TailLine[]> {
    const lines: TailLine[] = [];
    for (let more = true; more && lines.length < mostLines;) {
      const piece = await this.#reader.next(this.#begun ? waitMs : 0);
      this.#begun = true;
      const found = this.#cutter.take(piece.bytes);
      // The first is only the end of a line.
      lines.push(...(piece.skipped === true ? found.slice(1) : found));
      more = piece.more;
      if (piece.ended && !more) lines.push(...this.#cutter.leftover());
    }
    return lines;
  }
}

const sourceOf = (town: Town, bead: string, { attempt, dir, remote }: AttemptPlace): Source | undefined =>
  dir !== undefined
    ? new LogTail(dir.agentLog)
    : remote === undefined
      ? undefined
      : new RemoteTail(town, { bead, attempt, host: remote });

/** @returns why the log cannot be read now. @throws whatever is no answer of an attempt's host. */
function whyUnread(error: unknown): string {
  const found = refusal(error);
  if (found instanceof HostAwayError || found instanceof AttemptUnreadableError || found instanceof NoWorkerError)
    return found.message;
  throw error;
}

/** What an attempt has written so far, for whoever asks once. @returns undefined when there is no such attempt. */
export async function logOnce(town: Town, view: BeadView, wanted: string | undefined): Promise<LogLines | undefined> {
  const place = await attemptPlace(town.home, view, wanted);
  if (place === undefined) return undefined;
  const answer: LogLines = {
    attempt: place.attempt,
    reset: true,
    lines: [],
    host: place.remote,
    elsewhere: place.elsewhere,
    ended: !place.current,
  };
  try {
    return { ...answer, lines: (await sourceOf(town, view.bead, place)?.newLines()) ?? [] };
  } catch (error) {
    return { ...answer, elsewhere: whyUnread(error) };
  }
}

/** @returns what the bead says of itself; without any worker what it said before, which is true of what is written. */
async function askedOr(before: BeadView | undefined, ask: () => Promise<BeadView>): Promise<BeadView> {
  try {
    return await ask();
  } catch (error) {
    if (before !== undefined && error instanceof NoWorkerError) return before;
    throw error;
  }
}

interface Followed {
  tell: Set<(lines: LogLines) => void>;
  /** What whoever comes later is told first. */
  shown?: LogLines;
  loop: Promise<void>;
  wake?: () => void;
}

/**
 * Follows the logs that pages show, wherever they are, over the attempts of a bead when none is named: once for all
 * pages that show the same, and not at all when there is none.
 */
export class LogWatch {
  readonly #link: TownLink;
  readonly #log: (line: string) => void;
  readonly #followed = new Map<string, Followed>();

  constructor(link: TownLink, log: (line: string) => void) {
    this.#link = link;
    this.#log = log;
  }

  /** @returns what ends it. */
  subscribe(bead: string, wanted: string | undefined, tell: (lines: LogLines) => void): () => void {
    const key = `${bead}:${wanted ?? ''}`;
    let followed = this.#followed.get(key);
    if (followed === undefined) {
      const made: Followed = { tell: new Set([tell]), loop: Promise.resolve() };
      this.#followed.set(key, made);
      made.loop = this.#run(bead, wanted, made).catch((error: unknown) =>
        this.#log(`the log of ${bead} could not be followed: ${String(error)}`),
      );
      followed = made;
    } else {
      followed.tell.add(tell);
      if (followed.shown !== undefined) tell({ ...followed.shown, reset: true });
    }
    const { tell: all } = followed;
    return () => {
      all.delete(tell);
      if (all.size > 0) return;
      if (this.#followed.get(key)?.tell === all) this.#followed.delete(key);
      followed.wake?.();
    };
  }

  async end(): Promise<void> {
    const all = [...this.#followed.values()];
    this.#followed.clear();
    for (const followed of all) {
      followed.tell.clear();
      followed.wake?.();
    }
    await Promise.all(all.map(({ loop }) => loop));
  }

  async #run(bead: string, wanted: string | undefined, followed: Followed): Promise<void> {
    let view: BeadView | undefined;
    let askAgainAt = 0;
    let tail: { town: Town; key: string; source: Source | undefined } | undefined;
    while (followed.tell.size > 0) {
      let pause = lookEvery.here;
      try {
        const town = await this.#link.town();
        if (view === undefined || Date.now() > askAgainAt) {
          view = await askedOr(view, () => new BeadClient(town, { deadline }).view(bead, answerWithin));
          askAgainAt = Date.now() + askEvery;
        }
        const place = await attemptPlace(town.home, view, wanted);
        if (place !== undefined) {
          const key = `${place.attempt} ${place.dir === undefined ? (place.remote ?? '') : 'here'}`;
          const reset = tail?.key !== key;
          if (reset || tail?.town !== town) tail = { town, key, source: sourceOf(town, bead, place) };
          const news: LogLines = {
            attempt: place.attempt,
            reset,
            lines: [],
            host: place.remote,
            elsewhere: place.elsewhere,
            ended: !place.current,
          };
          if (place.remote !== undefined) pause = lookEvery.elsewhere;
          try {
            news.lines = (await tail?.source?.newLines()) ?? [];
          } catch (error) {
            news.elsewhere = whyUnread(error);
            pause = againAfter;
          }
          this.#publish(followed, news);
        }
      } catch (error) {
        // The page that shows a log shows its bead too, and is told of trouble by the looks at that.
        if (!(refusal(error) instanceof ClientError)) throw error;
        pause = againAfter / 5;
      }
      if (followed.tell.size > 0) await this.#pause(followed, pause);
    }
  }

  #publish(followed: Followed, news: LogLines): void {
    const { shown } = followed;
    const same =
      shown?.attempt === news.attempt &&
      shown.elsewhere === news.elsewhere &&
      shown.ended === news.ended &&
      !news.reset;
    if (news.lines.length === 0 && same) return;
    const lines = news.reset || shown === undefined ? news.lines : [...shown.lines, ...news.lines];
    followed.shown = { ...news, lines: lines.slice(-mostLines) };
    for (const tell of followed.tell) tell(news);
  }

  #pause(followed: Followed, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        delete followed.wake;
        resolve();
      };
      const timer = setTimeout(done, ms);
      followed.wake = done;
    });
  }
}
