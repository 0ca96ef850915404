import type { AttemptCell } from '../contract/index.js';
import type { TownConnection } from './connect.js';
import { within } from './deadline.js';
import { describeBead } from './describe.js';
import type { BeadSummary } from './list.js';

/** A list must not wait for what only adorns it. */
const deadline = 2_000;
/** Hosts run fewer agents than that; a list of more is told without. */
const mostAsked = 200;
const atOnce = 10;

/**
 * What the agents of listed beads run in, by the newest beat of each: the server knows it without any worker.
 * @returns by bead; those of which nothing is known are missing. `left`: so many with an agent were not asked.
 */
export async function cellsOf(
  town: Pick<TownConnection, 'client'>,
  beads: readonly BeadSummary[],
): Promise<{ cells: Map<string, AttemptCell>; left: number }> {
  const cells = new Map<string, AttemptCell>();
  const until = Date.now() + deadline;
  const withAgent = beads.filter(({ agent, closedAt }) => agent !== 'none' && closedAt === undefined);
  const asked = withAgent.slice(0, mostAsked);
  let left = withAgent.length - asked.length;
  const next = asked.values();
  const ask = async (): Promise<void> => {
    for (const { bead } of next) {
      if (Date.now() >= until) {
        left += 1;
        continue;
      }
      // One that has ended meanwhile, or cannot be read here, is told without.
      const found = await describeBead(town.client, bead).catch(() => undefined);
      const cell = found?.pendingActivities.map(({ details }) => details?.cell).find((known) => known !== undefined);
      if (cell !== undefined) cells.set(bead, cell);
    }
  };
  await within(town.client, deadline, () => Promise.all(Array.from({ length: atOnce }, ask)));
  return { cells, left };
}
