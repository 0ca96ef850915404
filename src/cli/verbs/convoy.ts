import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import { z } from 'zod';
import type { FleetClient } from '../../client/fleet.js';
import { NoServerError, NoWorkerError } from '../../client/errors.js';
import type { ConvoyView } from '../../contract/index.js';
import { counted } from '../../domain/words.js';
import { requireKnownAgent } from '../../operator/agent-spec.js';
import type { Context } from '../context.js';
import { readConvoyFile } from '../../operator/convoy-file.js';
import { exitCodes, failure } from '../exit.js';
import type { Verb } from '../program.js';
import { readText } from '../read-text.js';
import { convoyPage } from '../render/convoy-page.js';
import { oneLine } from '../render/format.js';
import { priority, taskQueue } from '../shared-options.js';
import { argument, flag, option, verb, verbGroup } from '../verb.js';

const fileBytes = 4 * 1024 * 1024;
const lookEvery = 700;

const convoyId = argument('<convoy>', 'its id', z.string().min(1, 'which convoy?'));
const withinConvoy = argument('<id>', 'id of the bead within the convoy', z.string().min(1, 'which bead?'));

const create = verb({
  name: 'create',
  description: 'create a convoy from a YAML or JSON file',
  arguments: [argument('<file>', 'the file; - reads it from stdin', z.string())],
  options: {
    taskQueue,
    wait: flag('--wait', 'return only when it has landed (status 0) or cannot go on by itself (status 1)'),
  },
  run: async (context, [file], { wait, taskQueue: queue }) => {
    const spec = readConvoyFile(await readText(file, fileBytes, 'a convoy'), file === '-' ? 'stdin' : file);
    for (const { id, agent } of spec.beads) if (agent !== undefined) requireKnownAgent(agent, `bead ${id}: `);
    const fleet = await context.fleet();
    await fleet.needsRig(spec.rig);
    const { approvers } = (await fleet.rig(spec.rig)).settings;
    await fleet.createConvoy(spec, queue ?? (await context.town()).taskQueue);
    if (approvers !== undefined)
      context.note(
        `rig ${spec.rig} lands only what one of its approvers has signed, and nobody can sign a whole convoy: ` +
          'its beads will be worked on, its landing refused',
      );
    if (wait) return waitFor(context, fleet, spec.convoy);
    context.print(
      { convoy: spec.convoy, beads: spec.beads.length },
      `created convoy ${spec.convoy} with ` +
        counted(spec.beads.length, 'bead') +
        `${spec.staged ? '; it is staged: `heartbead convoy start` lets it go' : ''}`,
    );
    return exitCodes.fine;
  },
});

const show = verb({
  name: 'show',
  description: 'the graph of a convoy with the status of each bead',
  arguments: [convoyId],
  run: async (context, [id]) => {
    const view = await (await context.fleet()).convoy(id);
    context.print(view, convoyPage(view, Date.now(), context.io.colors));
    return exitCodes.fine;
  },
});

const ls = verb({
  name: 'ls',
  description: 'list the convoys',
  options: { all: flag('--all', 'ended ones too') },
  run: async (context, _, { all }) => {
    const { fleetTable } = await import('../render/fleet-table.js');
    const convoys = await (await context.fleet()).list('convoy', { all, limit: 500 });
    context.print(
      { convoys },
      convoys.length === 0
        ? 'no convoys (`heartbead convoy create` makes one)'
        : fleetTable('CONVOY', convoys, Date.now(), context.io.colors),
    );
    return exitCodes.fine;
  },
});

/** A request to a convoy that it answers with a sentence. */
const request = (name: string, description: string, ask: (fleet: FleetClient, id: string) => Promise<string>): Verb =>
  verb({
    name,
    description,
    arguments: [convoyId],
    run: async (context, [id]) => {
      const text = await ask(await context.fleet(), id);
      context.print({ convoy: id, text }, text);
      return exitCodes.fine;
    },
  });

/** `a, b` as a list. */
const ids = z
  .string()
  .optional()
  .transform((text) =>
    (text ?? '')
      .split(',')
      .map((id) => id.trim())
      .filter((id) => id !== ''),
  );

const add = verb({
  name: 'add',
  description: 'add a bead',
  arguments: [convoyId, withinConvoy, argument('<title>', 'what is to be done', z.string())],
  options: {
    needs: option('--needs <ids>', 'comma-separated ids that must be merged first', ids),
    body: option('--body <text>', 'the whole task', z.string().optional()),
    priority: priority('from 1 (first) to 5 (last)'),
  },
  run: async (context, [id, bead, title], given) => {
    const added = { id: bead, title, ...given };
    const text = await (await context.fleet()).addBead(id, { bead: added });
    context.print({ convoy: id, bead: added, text }, text);
    return exitCodes.fine;
  },
});

const remove = verb({
  name: 'remove',
  description: 'take a bead out, and cancel it if it runs',
  arguments: [convoyId, withinConvoy],
  options: { release: flag('--release', 'those that need it go on without it') },
  run: async (context, [id, bead], { release }) => {
    const text = await (await context.fleet()).removeBead(id, { id: bead, release });
    context.print({ convoy: id, bead, text }, text);
    return exitCodes.fine;
  },
});

const retry = verb({
  name: 'retry',
  description: 'start a failed or cancelled bead of a convoy again',
  arguments: [convoyId, withinConvoy],
  run: async (context, [id, bead]) => {
    const text = await (await context.fleet()).retryBead(id, bead);
    context.print({ convoy: id, bead, text }, text);
    return exitCodes.fine;
  },
});

export const convoy = verbGroup('convoy', 'beads with dependencies that land together', [
  create,
  show,
  ls,
  request('start', 'let a staged convoy go', (fleet, id) => fleet.startConvoy(id)),
  request('pause', 'nothing new starts until resume; what runs goes on', (fleet, id) => fleet.pauseConvoy(id)),
  request('resume', 'let a paused convoy go on; also tries again what waits for a person', (fleet, id) =>
    fleet.resumeConvoy(id),
  ),
  request('cancel', 'cancel it and all its beads; merged work stays merged', async (fleet, id) => {
    await fleet.cancelConvoy(id);
    return `${id} is being cancelled: its beads end first`;
  }),
  add,
  remove,
  retry,
]);

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
        if (redraw) redraw(convoyPage(view, Date.now(), context.io.errColors));
        else {
          const line =
            `${view.status}, ${view.progress.merged}/${view.progress.total} merged: ` +
            `${view.beads.map((bead) => `${bead.id} ${bead.status}`).join(', ')}`;
          if (line !== last) context.io.err(line);
          last = line;
        }
        if (ended.has(view.status) || view.attention === 'blocked') {
          redraw?.done();
          context.print(view, convoyPage(view, Date.now(), context.io.colors));
          if (view.status === 'landed') return exitCodes.fine;
          throw failure(
            `convoy ${id} ${view.attention === 'blocked' ? 'waits for a person' : `is ${view.status}`}: ` +
              oneLine(view.reason, 500),
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
