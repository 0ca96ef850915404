import type { TownConnection } from '../client/connect.js';
import { beadsMatching, queryText } from '../client/list.js';
import type { BeadSummary } from '../client/list.js';
import { beadWorkflowId, searchAttributes, workflowTypes } from '../contract/index.js';

/** A board looks at so many open beads, and at so many that ended today. */
const mostBeads = 5_000;
const mostEnded = 1_000;
/**
 * How many beads one page has while all are read. A server may do one thing at a time with its visibility (SQLite does,
 * and takes about a millisecond of its processor for each row), and a large page would hold up the looks, and whatever
 * else is asked.
 */
const pageSize = 100;
/** What moves is looked at with every look; all else so often, and for no more than a part of the time. */
const roundEvery = 30_000;
/** What was known this long ago is a beginning: the next look finds what has changed since. */
const knownFor = 600_000;
const roundPart = 1 / 10;
/** All pages together: thousands of beads of a busy server take a while, and failing would show none of them. */
const roundDeadline = 60_000;
/** Visibility is a moment late: a look asks for what began or ended by so much before the look before it. */
const margin = 15_000;
/**
 * After a burst that would bring thousands of known beads again with each look, a second or more each: of them no more
 * than this many, as long as `leastMargin` is kept. What comes to be seen later than that is found when it moves, or
 * when all pages are read.
 */
const mostAgain = 100;
const leastMargin = 2_000;
/** Until a bead has told the server's time, its clock and ours are taken to differ by less than this. */
const clocksDiffer = 15_000;
/** Workflow ids in one query. */
const idsAtOnce = 100;

const { beadStatus, agentStatus } = searchAttributes;

/**
 * The open beads of a town and those that ended today, kept up to date from visibility alone. One look costs one page
 * as long as little moves. At first, and by and by again, all pages are read, beside the looks: the first of them is
 * waited for, and what the others hold comes with later looks.
 */
export class BeadList {
  #beads = new Map<string, BeadSummary>();
  /** All pages have been read since everything was forgotten. */
  #complete = false;
  #nextRoundAt = -Infinity;
  #more = false;
  #roundUnderWay: Promise<void> | undefined;
  #firstPage: Promise<void> | undefined;
  /** What looks have found while all pages were read. */
  #meanwhile = new Map<string, BeadSummary>();
  /** Why the last reading of all pages ended early, until a look tells it. */
  #failure: { error: unknown } | undefined;
  readonly #clock: () => number;
  /** The server's time is at least this much before our clock: a bead that is seen has begun by then. */
  #ahead: number | undefined;
  /** Our clock when the last look that succeeded began, or the reading of all pages since everything was forgotten. */
  #lookedAt = 0;
  /** The look under way, for which the pages make room. */
  #looking: Promise<unknown> = Promise.resolve();

  /** @param clock a clock that never jumps, in milliseconds */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  get beads(): ReadonlyMap<string, BeadSummary> {
    return this.#beads;
  }
  /** Whether there are more than a board looks at. */
  get more(): boolean {
    return this.#more;
  }
  /** Whether pages are still to come that nobody has seen. */
  get reading(): boolean {
    return !this.#complete;
  }

  /** Somebody looks after a time without anybody: when that was long, the next look reads everything again. */
  resume(): void {
    if (this.#complete && this.#clock() - this.#lookedAt < knownFor) return;
    // What is being read right now is as it is now.
    if (this.#complete) this.#beads = new Map();
    this.#complete = false;
    this.#nextRoundAt = -Infinity;
  }

  /** Resolves when nothing is asked any more. */
  async settled(): Promise<void> {
    await this.#roundUnderWay;
  }

  async look(town: TownConnection, deadline: number, now = Date.now()): Promise<void> {
    this.#tellFailure();
    if (now >= this.#nextRoundAt && this.#roundUnderWay === undefined) this.#beginRound(town, deadline, now);
    const began = this.#clock();
    if (!this.#complete) {
      await Promise.race([this.#firstPage, this.#roundUnderWay]);
      this.#tellFailure();
    }
    const news = this.#takeNews(town, deadline, now);
    // One that fails holds no page up either.
    this.#looking = news.catch(() => undefined);
    await news;
    this.#lookedAt = began;
  }

  async #takeNews(town: TownConnection, deadline: number, now: number): Promise<void> {
    const base = ofTown(town);
    const since = iso(this.#since(now));
    const looked = await beadsMatching(
      town,
      `${base} AND ((ExecutionStatus = 'Running' AND (${beadStatus} IN ('in_progress', 'in_review', 'blocked') ` +
        `OR ${agentStatus} != 'none')) OR (ExecutionStatus != 'ContinuedAsNew' AND (StartTime > '${since}' OR ` +
        `CloseTime > '${since}')))`,
      { limit: mostBeads + mostEnded, deadline },
    );
    const found = new Map<string, BeadSummary>();
    for (const bead of looked.beads) keepNewest(found, bead);
    // What moved and is not among those that move any more has come to rest: queued again, or ended.
    const gone = [...this.#beads.values()].filter((bead) => isMoving(bead) && !found.has(bead.bead));
    for (let at = 0; at < gone.length; at += idsAtOnce) {
      const ids = gone.slice(at, at + idsAtOnce).map(({ bead }) => queryText(beadWorkflowId(bead)));
      const rest = await beadsMatching(
        town,
        `${base} AND ExecutionStatus != 'ContinuedAsNew' AND WorkflowId IN (${ids.join(', ')})`,
        { limit: mostEnded, deadline },
      );
      for (const bead of rest.beads) keepNewest(found, bead);
    }
    for (const bead of found.values()) {
      this.#take(bead);
      if (this.#roundUnderWay !== undefined) this.#meanwhile.set(bead.bead, bead);
    }
  }

  /**
   * @returns since when a bead may have begun or ended without a look having seen it, by the server's clock. The last
   * look saw what visibility had by then; a server that has told no time yet has one near ours.
   */
  #since(now: number): number {
    if (this.#ahead === undefined) return now - roundEvery - clocksDiffer - margin;
    const lookedAt = this.#lookedAt + this.#ahead;
    const again = [...this.#beads.values()].map(newsOf).filter((at) => at > lookedAt - margin);
    if (again.length < mostAgain) return lookedAt - margin;
    again.sort((a, b) => b - a);
    return Math.min(again[mostAgain - 1] ?? lookedAt, lookedAt - leastMargin);
  }

  #tellFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  #beginRound(town: TownConnection, deadline: number, now: number): void {
    const began = this.#clock();
    if (!this.#complete) this.#lookedAt = began;
    let firstPage = (): void => undefined;
    this.#firstPage = new Promise((resolve) => (firstPage = resolve));
    this.#roundUnderWay = this.#round(town, Math.max(deadline, roundDeadline), now, firstPage)
      .then(
        () => {
          this.#nextRoundAt = now + Math.max(roundEvery, (this.#clock() - began) / roundPart);
        },
        (error: unknown) => {
          this.#failure = { error };
          this.#nextRoundAt = this.#complete ? now + roundEvery : -Infinity;
        },
      )
      .finally(() => {
        this.#roundUnderWay = undefined;
      });
  }

  async #round(town: TownConnection, deadline: number, now: number, firstPage: () => void): Promise<void> {
    this.#meanwhile.clear();
    const midnight = new Date(now).setHours(0, 0, 0, 0);
    const base = ofTown(town);
    let left = pageSize;
    const onBead = (bead: BeadSummary): void => {
      // What a look has found since is newer than the pages.
      if (!this.#complete && !this.#meanwhile.has(bead.bead)) this.#take(bead);
      left -= 1;
      if (left === 0) firstPage();
    };
    // One page at a time, and none while a look is under way: what changes is seen as soon as where little is read.
    const options = { deadline, pageSize, onBead, betweenPages: () => this.#looking };
    const open = await beadsMatching(town, `${base} AND ExecutionStatus = 'Running'`, { ...options, limit: mostBeads });
    const ended = await beadsMatching(
      town,
      `${base} AND ExecutionStatus != 'Running' AND ExecutionStatus != 'ContinuedAsNew' AND CloseTime > ` +
        `'${iso(midnight)}'`,
      { ...options, limit: mostEnded },
    );
    const meanwhile = [...this.#meanwhile.values()];
    this.#beads = new Map();
    // What was read later is newer: one that has ended between the two is in both.
    for (const bead of [...open.beads, ...ended.beads, ...meanwhile]) this.#take(bead);
    this.#more = open.more || ended.more;
    this.#complete = true;
  }

  #take(bead: BeadSummary): void {
    keepNewest(this.#beads, bead);
    const ahead = newsOf(bead) - this.#clock();
    if (this.#ahead === undefined || ahead > this.#ahead) this.#ahead = ahead;
  }
}

/** @returns when a bead began or ended last, by the server's clock. */
const newsOf = ({ startedAt, closedAt }: BeadSummary): number => Math.max(startedAt, closedAt ?? 0);

/** An id may be used again after a cancel: the newest run is the bead. */
function keepNewest(beads: Map<string, BeadSummary>, bead: BeadSummary): void {
  const known = beads.get(bead.bead);
  const ended = known?.closedAt !== undefined && bead.closedAt === undefined;
  if (known === undefined || known.startedAt <= bead.startedAt || ended) beads.set(bead.bead, bead);
}

const isMoving = ({ status, agent, closedAt }: BeadSummary): boolean =>
  closedAt === undefined &&
  (status === 'in_progress' || status === 'in_review' || status === 'blocked' || agent !== 'none');

const ofTown = ({ taskQueue }: TownConnection): string =>
  `WorkflowType = '${workflowTypes.bead}' AND TaskQueue = ${queryText(taskQueue)}`;

const iso = (at: number): string => new Date(Math.max(at, 0)).toISOString();
