import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import type { BeadClient } from '../../client/beads.js';
import type { TownConnection } from '../../client/connect.js';
import type { BeadSummary } from '../../client/list.js';
import { exitCodes } from '../exit.js';
import { untilInterrupted } from '../../operator/interrupt.js';
import { watchLines, watchTable } from '../render/watch-table.js';
import type { WatchedBead } from '../render/watch-table.js';
import { atMost } from '../shared-options.js';
import { verb } from '../verb.js';

/** Milliseconds between two looks. */
const lookEvery = 1_000;
/** A bead that does not answer within this is shown as visibility has it: the others are waited for. */
const viewWithin = 2_000;

export const watch = verb({
  name: 'watch',
  description: 'the open beads, live, until Ctrl-C',
  options: { limit: atMost(200, 40) },
  json: 'print one JSON object per change of a bead',
  run: async (context, _, { limit }) => {
    const town = await context.town();
    const beads = await context.beads();
    const stop = untilInterrupted();
    const redraw = context.io.tty && !context.json ? createLogUpdate(process.stdout) : undefined;
    const shown = new Map<string, string>();
    let away = false;
    while (!stop.aborted) {
      const seen = await look(town, beads, limit, context.deadline);
      // A server that is restarted comes back; who watches wants to see that.
      if ((seen === undefined) !== away)
        context.note(away ? 'the server answers again' : 'the server does not answer; trying again');
      away = seen === undefined;
      if (seen !== undefined && redraw !== undefined) redraw(watchTable(seen.rows, seen.more, Date.now(), context.io));
      else if (seen !== undefined)
        for (const line of watchLines(seen.rows, shown, Date.now(), context.json)) context.io.out(line);
      await sleep(lookEvery, undefined, { signal: stop }).catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
    }
    redraw?.done();
    return exitCodes.fine;
  },
});

/**
 * Visibility knows which beads there are; each bead knows how it is. @returns undefined while the server does not
 * answer.
 */
async function look(
  town: TownConnection,
  beads: BeadClient,
  limit: number,
  deadline: number,
): Promise<{ rows: WatchedBead[]; more: boolean } | undefined> {
  const { listBeads } = await import('../../client/list.js');
  const { BeadNotFoundError, NoServerError, NoWorkerError } = await import('../../client/errors.js');
  const rowOf = async (summary: BeadSummary): Promise<WatchedBead> => {
    try {
      return { summary, view: await beads.view(summary.bead, viewWithin) };
    } catch (error) {
      if (error instanceof NoWorkerError || error instanceof BeadNotFoundError) return { summary };
      throw error;
    }
  };
  try {
    const found = await listBeads(town, { limit, deadline });
    return { rows: await Promise.all(found.beads.map(rowOf)), more: found.more };
  } catch (error) {
    if (error instanceof NoServerError) return undefined;
    throw error;
  }
}
