import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import type { BeadSummary } from '../client/list.js';
import { isFinal } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import { answerOf, eachOf } from '../operator/asking.js';

/** Questions to beads at once: each may load one into a worker's cache, and the others still want to be served. */
const askedAtOnce = 8;
/** One that does not answer within this is shown by what visibility tells. */
const answerWithin = 3_000;
/**
 * What visibility does not show (the agent's words, the cost) may be so old on the front; a change of status is not.
 */
const freshFor = 10_000;

interface Kept {
  /** What visibility showed when it was asked. */
  key: string;
  askedAt: number;
  /** Absent: it did not answer. */
  view?: BeadView;
}

/** What beads that are on a screen say of themselves, asked no more often than it can have changed. */
export class BeadViews {
  readonly #kept = new Map<string, Kept>();

  /** Asks those whose answer is missing or old. @returns whether any answer is new. */
  async refresh(town: TownConnection, wanted: readonly BeadSummary[], deadline: number): Promise<boolean> {
    const now = Date.now();
    const due = inOrder(wanted).filter((summary) => {
      const kept = this.#kept.get(summary.bead);
      if (kept === undefined || kept.key !== keyOf(summary)) return true;
      // Nothing changes any more once it has ended.
      return !(kept.view !== undefined && isFinal(kept.view.status)) && now - kept.askedAt > freshFor;
    });
    const beads = new BeadClient(town, { deadline });
    await eachOf(due, askedAtOnce, async (summary) => {
      const view = await answerOf(() => beads.view(summary.bead, Math.min(deadline, answerWithin)));
      this.#kept.set(summary.bead, { key: keyOf(summary), askedAt: now, view });
    });
    return due.length > 0;
  }

  get(bead: string): BeadView | undefined {
    return this.#kept.get(bead)?.view;
  }

  has(bead: string): boolean {
    return this.#kept.has(bead);
  }

  /** Forgets what nobody looks at any more. */
  keepOnly(beads: ReadonlySet<string>): void {
    for (const bead of this.#kept.keys()) if (!beads.has(bead)) this.#kept.delete(bead);
  }
}

/** Those whose agent works change most. */
const inOrder = (beads: readonly BeadSummary[]): BeadSummary[] => [
  ...beads.filter(({ agent }) => agent !== 'none'),
  ...beads.filter(({ agent }) => agent === 'none'),
];

const keyOf = ({ status, agent, attention = '' }: BeadSummary): string => `${status} ${agent} ${attention}`;
