import { AttemptReader } from '../client/attempt-reader.js';
import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { AttemptUnreadableError, ClientError, HostAwayError, NoWorkerError } from '../client/errors.js';
import { asClientError } from '../client/as-client-error.js';
import type { BeadView } from '../contract/index.js';
import type { LogLines } from './api-types.js';
import { attemptPlace } from './attempts-here.js';
import type { AttemptPlace } from './attempts-here.js';
import { LineCutter } from './line-cutter.js';
import type { TailLine } from './line-cutter.js';
import { Listened } from './listened.js';
import type { Listeners, Tell } from './listened.js';
import { GrowingLog } from './log-tail.js';
import type { TownLink } from './town-link.js';

const deadline = 10_000;
/**
 * A log of this machine is looked at so often; of another host so long after an answer, since each costs a workflow.
 */
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

  constructor(town: TownConnection, { bead, attempt, host }: { bead: string; attempt: string; host: string }) {
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

const sourceOf = (town: TownConnection, bead: string, { attempt, dir, remote }: AttemptPlace): Source | undefined =>
  dir !== undefined
    ? new GrowingLog(dir.agentLog)
    : remote === undefined
      ? undefined
      : new RemoteTail(town, { bead, attempt, host: remote });

/** @returns what is known of a log before any of it is read. */
const linesOf = ({ attempt, remote, elsewhere, current }: AttemptPlace): LogLines => ({
  attempt,
  reset: true,
  lines: [],
  host: remote,
  elsewhere,
  ended: !current,
});

/** @returns why the log cannot be read now. @throws whatever is no answer of an attempt's host. */
function whyUnread(error: unknown): string {
  const found = asClientError(error);
  if (found instanceof HostAwayError || found instanceof AttemptUnreadableError || found instanceof NoWorkerError)
    return found.message;
  throw error;
}

/** What an attempt has written so far, for whoever asks once. @returns undefined when there is no such attempt. */
export async function logOnce(
  town: TownConnection,
  view: BeadView,
  wanted: string | undefined,
): Promise<LogLines | undefined> {
  const place = await attemptPlace(town.home, view, wanted);
  if (place === undefined) return undefined;
  const answer = linesOf(place);
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

/** Which log: of a bead's attempts one after the other where none is named. */
const keyOf = (bead: string, attempt: string | undefined): string => `${bead}:${attempt ?? ''}`;

/** Follows the logs that pages show, wherever they are. */
export class LogWatch {
  readonly #listened: Listened<LogLines>;

  constructor(link: TownLink, log: (line: string) => void) {
    this.#listened = new Listened((key, listeners) => {
      const [bead = '', attempt = ''] = key.split(':');
      const followed = new FollowedLog(link, bead, attempt === '' ? undefined : attempt, listeners);
      return () => followed.look();
    }, log);
  }

  /** @returns what ends it. */
  subscribe(bead: string, attempt: string | undefined, tell: Tell<LogLines>): () => void {
    return this.#listened.subscribe(keyOf(bead, attempt), tell);
  }

  end(): Promise<void> {
    return this.#listened.end();
  }
}

/** One log that somebody reads. */
class FollowedLog {
  readonly #link: TownLink;
  readonly #bead: string;
  readonly #wanted: string | undefined;
  readonly #listeners: Listeners<LogLines>;
  #view: BeadView | undefined;
  #askAgainAt = 0;
  #tail: { town: TownConnection; key: string; source: Source | undefined } | undefined;
  /** What whoever comes later is told first. */
  #shown: LogLines | undefined;

  constructor(link: TownLink, bead: string, wanted: string | undefined, listeners: Listeners<LogLines>) {
    this.#link = link;
    this.#bead = bead;
    this.#wanted = wanted;
    this.#listeners = listeners;
    listeners.first = () => (this.#shown === undefined ? undefined : { ...this.#shown, reset: true });
  }

  /** @returns when to look again. */
  async look(): Promise<number> {
    try {
      const town = await this.#link.town();
      const place = await attemptPlace(town.home, await this.#asked(town), this.#wanted);
      return place === undefined ? lookEvery.here : await this.#read(town, place);
    } catch (error) {
      // The page that shows a log shows its bead too, and is told of trouble by the looks at that.
      if (!(asClientError(error) instanceof ClientError)) throw error;
      return againAfter / 5;
    }
  }

  async #asked(town: TownConnection): Promise<BeadView> {
    if (this.#view === undefined || Date.now() > this.#askAgainAt) {
      this.#view = await askedOr(this.#view, () => new BeadClient(town, { deadline }).view(this.#bead, answerWithin));
      this.#askAgainAt = Date.now() + askEvery;
    }
    return this.#view;
  }

  async #read(town: TownConnection, place: AttemptPlace): Promise<number> {
    const key = `${place.attempt} ${place.dir === undefined ? (place.remote ?? '') : 'here'}`;
    const reset = this.#tail?.key !== key;
    if (reset || this.#tail?.town !== town) this.#tail = { town, key, source: sourceOf(town, this.#bead, place) };
    const news: LogLines = { ...linesOf(place), reset };
    try {
      news.lines = (await this.#tail?.source?.newLines()) ?? [];
    } catch (error) {
      news.elsewhere = whyUnread(error);
    }
    this.#publish(news);
    if (news.elsewhere !== place.elsewhere) return againAfter;
    return place.remote === undefined ? lookEvery.here : lookEvery.elsewhere;
  }

  #publish(news: LogLines): void {
    const shown = this.#shown;
    const same =
      shown?.attempt === news.attempt &&
      shown.elsewhere === news.elsewhere &&
      shown.ended === news.ended &&
      !news.reset;
    if (news.lines.length === 0 && same) return;
    const lines = news.reset || shown === undefined ? news.lines : [...shown.lines, ...news.lines];
    this.#shown = { ...news, lines: lines.slice(-mostLines) };
    this.#listeners.tell(news);
  }
}
