import type { Command } from 'commander';
import { z } from 'zod';
import { parseArgs, statusOption, wholeNumber } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

const options = z.object({
  status: statusOption.optional(),
  all: z.boolean().default(false),
  limit: wholeNumber('--limit', 1, 10_000).default(100),
});

export function ls(program: Command): void {
  program
    .command('ls')
    .description('list the beads, newest first (from the visibility store, which is a moment late)')
    .option('--status <status>', 'only beads of this status')
    .option('--all', 'ended ones too')
    .option('--limit <n>', 'at most so many', '100')
    .option('--json', 'print JSON')
    .action(
      action(async (context, given: unknown) => {
        const { status, all, limit } = parseArgs(options, given, 'ls');
        const { listBeads } = await import('../../client/list.js');
        const { beadsTable } = await import('../render/beads-table.js');
        const found = await listBeads(await context.town(), {
          all,
          limit,
          deadline: context.deadline,
          status,
        });
        const none =
          status === undefined && !all
            ? 'no open beads (`heartbead ls --all` shows ended ones; `heartbead sling` starts one)'
            : 'no such beads';
        context.print(
          { beads: found.beads, more: found.more },
          found.beads.length === 0 ? none : beadsTable(found.beads, Date.now(), context.io.colors),
        );
        if (!context.json && found.beads.length > 0) {
          context.note(
            `${found.more ? `the newest ${limit}; more with --limit. ` : ''}This list may be a moment late; \`heartbead show BEAD\` asks the bead itself.`,
          );
        }
        return exitCodes.fine;
      }),
    );
}
