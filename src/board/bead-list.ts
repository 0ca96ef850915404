import type { Town } from '../client/connect.js';
import { beadsMatching, quoted } from '../client/list.js';
import type { BeadSummary } from '../client/list.js';
import { beadWorkflowId, searchAttributes, workflowTypes } from '../contract/index.js';

/** A board looks at so many beads: five pages of visibility. */
const mostBeads = 5_000;
const pageSize = 1_000;
/** What moves is looked at with every look; all else so often. */
const sweepEvery = 15_000;
/** All pages together: thousands of beads of a busy server take a while, and failing would show none of them. */
const sweepDeadline = 30_000;
/** A server's clock and ours may differ, and visibility is a moment late. */
const margin = 15_000;
/** Workflow ids in one query. */
const idsAtOnce = 100;

const { beadStatus, agentStatus } = searchAttributes;

/**
 * The open beads of a town and those that ended today, kept up to date from visibility alone. One look costs one page
 * as long as little moves; every 15 s, and at first, all pages are read. Only the first time they are waited for: a busy
 * server takes seconds for them, and what moves meanwhile is to be seen.
 */
export class BeadList {
  #beads = new Map<string, BeadSummary>();
  #sweptAt = -Infinity;
  #newest = 0;
  #more = false;
  #sweeping: Promise<void> | undefined;
  /** What looks have found while all pages were read. */
  #meanwhile = new Map<string, BeadSummary>();
  /** Why the last reading of all pages ended early, until a look tells it. */
  #failure: { error: unknown } | undefined;

  get beads(): ReadonlyMap<string, BeadSummary> {
    return this.#beads;
  }
  /** Whether there are more than a board looks at. */
  get more(): boolean {
    return this.#more;
  }

  /** The next look reads everything again, and waits for it. */
  forget(): void {
    this.#sweptAt = -Infinity;
  }

  /** Resolves when nothing is asked any more. */
  async settled(): Promise<void> {
    await this.#sweeping;
  }

  async look(town: Town, deadline: number, now = Date.now()): Promise<void> {
    this.#tellFailure();
    if (now - this.#sweptAt > sweepEvery && this.#sweeping === undefined) {
      const first = this.#sweptAt === -Infinity;
      this.#sweeping = this.#sweep(town, Math.max(deadline, sweepDeadline), now)
        .catch((error: unknown) => {
          this.#failure = { error };
        })
        .finally(() => {
          this.#sweeping = undefined;
        });
      if (!first) this.#sweptAt = now;
    }
    if (this.#sweptAt === -Infinity) {
      await this.#sweeping;
      return this.#tellFailure();
    }
    const base = ofTown(town);
    const since = iso(this.#newest - margin);
    const looked = await beadsMatching(
      town,
      `${base} AND ((ExecutionStatus = 'Running' AND (${beadStatus} IN ('in_progress', 'in_review', 'blocked') OR ${agentStatus} != 'none')) OR (ExecutionStatus != 'ContinuedAsNew' AND (StartTime > '${since}' OR CloseTime > '${since}')))`,
      { limit: mostBeads + pageSize, deadline },
    );
    const found = new Map<string, BeadSummary>();
    for (const bead of looked.beads) keepNewest(found, bead);
    // What moved and is not among those that move any more has come to rest: queued again, or ended.
    const gone = [...this.#beads.values()].filter((bead) => isMoving(bead) && !found.has(bead.bead));
    for (let at = 0; at < gone.length; at += idsAtOnce) {
      const ids = gone.slice(at, at + idsAtOnce).map(({ bead }) => quoted(beadWorkflowId(bead)));
      const rest = await beadsMatching(
        town,
        `${base} AND ExecutionStatus != 'ContinuedAsNew' AND WorkflowId IN (${ids.join(', ')})`,
        { limit: pageSize, deadline },
      );
      for (const bead of rest.beads) keepNewest(found, bead);
    }
    for (const bead of found.values()) {
      this.#take(bead);
      if (this.#sweeping !== undefined) this.#meanwhile.set(bead.bead, bead);
    }
  }

  #tellFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  async #sweep(town: Town, deadline: number, now: number): Promise<void> {
    this.#meanwhile.clear();
    const midnight = new Date(now).setHours(0, 0, 0, 0);
    const base = ofTown(town);
    const [open, ended] = await Promise.all([
      beadsMatching(town, `${base} AND ExecutionStatus = 'Running'`, { limit: mostBeads, deadline }),
      beadsMatching(
        town,
        `${base} AND ExecutionStatus != 'Running' AND ExecutionStatus != 'ContinuedAsNew' AND CloseTime > '${iso(midnight)}'`,
        { limit: pageSize, deadline },
      ),
    ]);
    const before = this.#beads;
    const meanwhile = [...this.#meanwhile.values()];
    this.#beads = new Map();
    // What a look has found since is newer than the pages.
    for (const bead of [...ended.beads, ...open.beads, ...meanwhile]) this.#take(bead);
    this.#more = open.more || ended.more;
    this.#sweptAt = now;
    // A bead that began while the pages were read may be on none of them: the next looks find it by its start.
    if (before.size > 0 || this.#beads.size === 0) this.#newest = Math.max(this.#newest, now - sweepEvery);
  }

  #take(bead: BeadSummary): void {
    keepNewest(this.#beads, bead);
    this.#newest = Math.max(this.#newest, bead.startedAt, bead.closedAt ?? 0);
  }
}

/** An id may be used again after a cancel: the newest run is the bead. */
function keepNewest(beads: Map<string, BeadSummary>, bead: BeadSummary): void {
  const known = beads.get(bead.bead);
  const ended = known?.closedAt !== undefined && bead.closedAt === undefined;
  if (known === undefined || known.startedAt <= bead.startedAt || ended) beads.set(bead.bead, bead);
}

const isMoving = ({ status, agent, closedAt }: BeadSummary): boolean =>
  closedAt === undefined &&
  (status === 'in_progress' || status === 'in_review' || status === 'blocked' || agent !== 'none');

const ofTown = ({ taskQueue }: Town): string =>
  `WorkflowType = '${workflowTypes.bead}' AND TaskQueue = ${quoted(taskQueue)}`;

const iso = (at: number): string => new Date(Math.max(at, 0)).toISOString();
