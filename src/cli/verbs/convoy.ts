import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import { z } from 'zod';
import type { FleetClient } from '../../client/fleet.js';
import { NoServerError, NoWorkerError } from '../../client/errors.js';
import type { ConvoyView } from '../../contract/index.js';
import { parseArgs, wholeNumber } from '../args.js';
import { action } from '../context.js';
import type { Context } from '../context.js';
import { readConvoyFile } from '../convoy-file.js';
import { exitCodes, failure, usageError } from '../exit.js';
import { readText } from '../read-text.js';
import { convoyPage } from '../render/convoy-page.js';
import { oneLine } from '../render/format.js';

const fileBytes = 4 * 1024 * 1024;
const lookEvery = 700;
const addOptions = z.object({
  needs: z.string().optional(),
  body: z.string().optional(),
  priority: wholeNumber('a priority', 1, 5).optional(),
});

export function convoy(program: Command): void {
  const group = program.command('convoy').description('beads with dependencies that land together');
  group.action(() => {
    group.outputHelp({ error: true });
    process.exitCode = exitCodes.usage;
  });
  group
    .command('create')
    .description('create a convoy from a YAML or JSON file')
    .argument('<file>', 'the file; - reads it from stdin')
    .option('--task-queue <name>', "the town's task queue")
    .option('--wait', 'return only when it has landed (status 0) or cannot go on by itself (status 1)')
    .option('--json', 'print JSON')
    .action(
      action(async (context, file: string, { wait, taskQueue }: { wait?: boolean; taskQueue?: string }) => {
        const spec = readConvoyFile(await readText(file, fileBytes, 'a convoy'), file === '-' ? 'stdin' : file);
        const fleet = await context.fleet();
        await fleet.needsRig(spec.rig);
        await fleet.createConvoy(spec, taskQueue ?? (await context.town()).taskQueue);
        if (wait === true) return waitFor(context, fleet, spec.convoy);
        context.print(
          { convoy: spec.convoy, beads: spec.beads.length },
          `created convoy ${spec.convoy} with ${spec.beads.length} beads${spec.staged ? '; it is staged: `heartbead convoy start` lets it go' : ''}`,
        );
        return exitCodes.fine;
      }),
    );
  group
    .command('show')
    .description('the graph of a convoy with the status of each bead')
    .argument('<convoy>', 'its id')
    .option('--json', 'print JSON')
    .action(
      action(async (context, id: string) => {
        const view = await (await context.fleet()).convoy(id);
        context.print(view, convoyPage(view, context.io.colors));
        return exitCodes.fine;
      }),
    );
  group
    .command('ls')
    .description('list the convoys')
    .option('--all', 'ended ones too')
    .option('--json', 'print JSON')
    .action(
      action(async (context, { all }: { all?: boolean }) => {
        const { fleetTable } = await import('../render/fleet-table.js');
        const convoys = await (await context.fleet()).list('convoy', { all: all === true, limit: 500 });
        context.print(
          { convoys },
          convoys.length === 0
            ? 'no convoys (`heartbead convoy create` makes one)'
            : fleetTable('CONVOY', convoys, Date.now(), context.io.colors),
        );
        return exitCodes.fine;
      }),
    );
  const simple = (
    verb: string,
    description: string,
    run: (fleet: FleetClient, id: string) => Promise<string>,
  ): void => {
    group
      .command(verb)
      .description(description)
      .argument('<convoy>', 'its id')
      .option('--json', 'print JSON')
      .action(
        action(async (context, id: string) => {
          const text = await run(await context.fleet(), id);
          context.print({ convoy: id, text }, text);
          return exitCodes.fine;
        }),
      );
  };
  simple('start', 'let a staged convoy go', (fleet, id) => fleet.startConvoy(id));
  simple('pause', 'nothing new starts until resume; what runs goes on', (fleet, id) => fleet.pauseConvoy(id));
  simple('resume', 'let a paused convoy go on; also tries again what waits for a person', (fleet, id) =>
    fleet.resumeConvoy(id),
  );
  simple('cancel', 'cancel it and all its beads; merged work stays merged', async (fleet, id) => {
    await fleet.cancelConvoy(id);
    return `${id} is being cancelled: its beads end first`;
  });
  group
    .command('add')
    .description('add a bead')
    .argument('<convoy>', 'its id')
    .argument('<id>', 'id of the bead within the convoy')
    .argument('<title>', 'what is to be done')
    .option('--needs <ids>', 'comma-separated ids that must be merged first')
    .option('--body <text>', 'the whole task')
    .option('--priority <n>', 'from 1 (first) to 5 (last)')
    .option('--json', 'print JSON')
    .action(
      action(async (context, convoyId: string, id: string, title: string, rest: unknown) => {
        const { needs, body, priority } = parseArgs(addOptions, rest, 'convoy add');
        const bead = {
          id,
          title,
          needs:
            needs === undefined
              ? []
              : needs
                  .split(',')
                  .map((need) => need.trim())
                  .filter((need) => need !== ''),
          body,
          priority,
        };
        const text = await (await context.fleet()).addBead(convoyId, { bead });
        context.print({ convoy: convoyId, bead, text }, text);
        return exitCodes.fine;
      }),
    );
  group
    .command('remove')
    .description('take a bead out, and cancel it if it runs')
    .argument('<convoy>', 'its id')
    .argument('<id>', 'id of the bead within the convoy')
    .option('--release', 'those that need it go on without it')
    .option('--json', 'print JSON')
    .action(
      action(async (context, convoyId: string, id: string, { release }: { release?: boolean }) => {
        const text = await (
          await context.fleet()
        ).removeBead(convoyId, { id, ...(release === true ? { release } : {}) });
        context.print({ convoy: convoyId, bead: id, text }, text);
        return exitCodes.fine;
      }),
    );
  group
    .command('retry')
    .description('start a failed or cancelled bead of a convoy again')
    .argument('<convoy>', 'its id')
    .argument('<id>', 'id of the bead within the convoy')
    .option('--json', 'print JSON')
    .action(
      action(async (context, convoyId: string, id: string) => {
        if (id === '') throw usageError('which bead?', 'see `heartbead convoy retry --help`');
        const text = await (await context.fleet()).retryBead(convoyId, id);
        context.print({ convoy: convoyId, bead: id, text }, text);
        return exitCodes.fine;
      }),
    );
}

const ended = new Set<ConvoyView['status']>(['landed', 'failed', 'cancelled']);

/** Live progress on stderr; the result on stdout. An outage of server or worker is waited out: the convoy is safe. */
async function waitFor(context: Context, fleet: FleetClient, id: string): Promise<0> {
  const redraw = context.io.errTty ? createLogUpdate(process.stderr) : undefined;
  let last = '';
  try {
    for (;;) {
      const view = await fleet.convoy(id).catch((error: unknown) => {
        if (error instanceof NoWorkerError || error instanceof NoServerError) return undefined;
        throw error;
      });
      if (view !== undefined) {
        if (redraw) redraw(convoyPage(view, context.io.errColors));
        else {
          const line = `${view.status}, ${view.progress.merged}/${view.progress.total} merged: ${view.beads.map((bead) => `${bead.id} ${bead.status}`).join(', ')}`;
          if (line !== last) context.io.err(line);
          last = line;
        }
        if (ended.has(view.status) || view.attention === 'blocked') {
          redraw?.done();
          context.print(view, convoyPage(view, context.io.colors));
          if (view.status === 'landed') return exitCodes.fine;
          throw failure(
            `convoy ${id} ${view.attention === 'blocked' ? 'waits for a person' : `is ${view.status}`}: ${oneLine(view.reason, 500)}`,
            `see \`heartbead convoy show ${id}\``,
          );
        }
      }
      await sleep(lookEvery);
    }
  } finally {
    redraw?.done();
  }
}
