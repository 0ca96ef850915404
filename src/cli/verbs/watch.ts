import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import { z } from 'zod';
import type { BeadSummary } from '../../client/list.js';
import { parseArgs, wholeNumber } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';
import { watchLines, watchTable } from '../render/watch-table.js';
import type { WatchedBead } from '../render/watch-table.js';
import { untilInterrupted } from '../interrupt.js';

const options = z.object({ limit: wholeNumber('--limit', 1, 200).default(40) });

export function watch(program: Command): void {
  program
    .command('watch')
    .description('the open beads, live, until Ctrl-C')
    .option('--limit <n>', 'at most so many', '40')
    .option('--json', 'print one JSON object per change of a bead')
    .action(
      action(async (context, given: unknown) => {
        const { limit } = parseArgs(options, given, 'watch');
        const { listBeads } = await import('../../client/list.js');
        const town = await context.town();
        const beads = await context.beads();
        const stop = untilInterrupted();
        const redraw = context.io.tty && !context.json ? createLogUpdate(process.stdout) : undefined;
        const shown = new Map<string, string>();
        let away = false;
        while (!stop.aborted) {
          const seen = await lookAtAll().catch((error: unknown) => {
            if (error instanceof Error && error.name === 'NoServerError') return undefined;
            throw error;
          });
          // A server that is restarted comes back; who watches wants to see that.
          if ((seen === undefined) !== away) context.note(away ? 'the server answers again' : 'the server does not answer; trying again');
          away = seen === undefined;
          if (seen !== undefined && redraw !== undefined) redraw(watchTable(seen.rows, seen.more, Date.now(), context.io));
          else if (seen !== undefined) for (const line of watchLines(seen.rows, shown, Date.now(), context.json)) context.io.out(line);
          await pause();
        }
        redraw?.done();
        return exitCodes.fine;

        async function pause(): Promise<void> {
          await sleep(1_000, undefined, { signal: stop }).catch((error: unknown) => {
            if (!stop.aborted) throw error;
          });
        }

        async function lookAtAll(): Promise<{ rows: WatchedBead[]; more: boolean }> {
          const found = await listBeads(town, { limit, deadline: context.deadline });
          return { rows: await Promise.all(found.beads.map((summary) => look(summary))), more: found.more };
        }

        // Visibility knows which beads there are; each bead knows how it is. One that cannot answer is shown as visibility has it.
        async function look(summary: BeadSummary): Promise<WatchedBead> {
          const view = await beads.view(summary.bead, 2_000).catch((error: unknown) => {
            if (error instanceof Error && (error.name === 'NoWorkerError' || error.name === 'BeadNotFoundError')) return undefined;
            throw error;
          });
          return { summary, ...(view === undefined ? {} : { view }) };
        }
      }),
    );
}
