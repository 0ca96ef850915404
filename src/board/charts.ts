import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { beadsMatching, queryText } from '../client/list.js';
import { workflowTypes } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import type { ChartsAnswer } from './api-types.js';
import { chartsOf } from './bead-times.js';
import type { ChartedBead } from './bead-times.js';
import { answerOf, eachOf } from '../operator/asking.js';

/** Beads of a range that are counted (five pages), and those that are asked, the newest. */
const mostCounted = 5_000;
const mostAsked = 300;
const askedAtOnce = 6;
/** What ended beads said is kept: it does not change. */
const mostKept = 2_000;
const hour = 3_600_000;

/** The charts of the last day or week, from visibility and from what the newest beads say of themselves. */
export class Charts {
  readonly #ended = new Map<string, BeadView>();

  async ask(town: TownConnection, days: 1 | 7, deadline: number): Promise<ChartsAnswer> {
    const to = Date.now();
    const from = to - days * 24 * hour;
    const { beads } = await beadsMatching(
      town,
      `WorkflowType = '${workflowTypes.bead}' AND TaskQueue = ${queryText(town.taskQueue)} AND ExecutionStatus ` +
        `!= 'ContinuedAsNew' AND (ExecutionStatus = 'Running' OR CloseTime > '${new Date(from).toISOString()}')`,
      { limit: mostCounted, deadline },
    );
    const client = new BeadClient(town, { deadline });
    const answers = await eachOf(
      beads.slice(0, mostAsked),
      askedAtOnce,
      async ({ bead, startedAt, closedAt }): Promise<ChartedBead[]> => {
        const key = `${bead} ${startedAt}`;
        const kept = this.#ended.get(key);
        if (kept !== undefined) return [{ view: kept, closedAt }];
        const view = await answerOf(() => client.view(bead, Math.min(deadline, 3_000)));
        if (view === undefined) return [];
        if (closedAt !== undefined) this.#keep(key, view);
        return [{ view, closedAt }];
      },
    );
    const asked = answers.flat();
    const landed = beads.flatMap(({ status, closedAt }) =>
      status === 'closed' && closedAt !== undefined ? [closedAt] : [],
    );
    const steps = days === 1 ? 24 : 7 * 12;
    return { ...chartsOf(asked, landed, { from, to, steps }), asked: asked.length, beads: beads.length };
  }

  #keep(key: string, view: BeadView): void {
    this.#ended.set(key, view);
    if (this.#ended.size <= mostKept) return;
    const [oldest] = this.#ended.keys();
    if (oldest !== undefined) this.#ended.delete(oldest);
  }
}
