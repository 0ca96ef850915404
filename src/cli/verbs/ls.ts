import { z } from 'zod';
import { counted, firstOf } from '../../domain/words.js';
import type { BeadSummary } from '../../client/list.js';
import { statusOption } from '../args.js';
import type { Context } from '../context.js';
import { exitCodes } from '../exit.js';
import { atMost, rigName } from '../shared-options.js';
import { flag, option, verb } from '../verb.js';

/** More beads are not asked by one command. */
const mostAsked = 1_000;

export const ls = verb({
  name: 'ls',
  description: 'list the beads, newest first (from the visibility store, which is a moment late)',
  options: {
    status: option('--status <status>', 'only beads of this status', statusOption.optional()),
    rig: option('--rig <name>', 'only beads of this rig', rigName.optional()),
    convoy: option('--convoy <id>', 'only beads of this convoy', z.string().min(1).max(100).optional()),
    host: option(
      '--host <host>',
      'only beads whose newest attempt is, or was, on this host; each bead is asked for it',
      z.string().min(1).optional(),
    ),
    all: flag('--all', 'ended ones too'),
    limit: atMost(10_000, 100),
  },
  run: async (context, _, { status, rig, convoy, host, all, limit }) => {
    const { listBeads } = await import('../../client/list.js');
    const { beadsTable } = await import('../render/beads-table.js');
    const { cellsOf } = await import('../../client/cells.js');
    const town = await context.town();
    const asked = { all, deadline: context.deadline, status, rig, convoy };
    const listed =
      host === undefined
        ? await listBeads(town, { ...asked, limit })
        : await onHost(context, host, limit, await listBeads(town, { ...asked, limit: mostAsked }));
    const { cells, left } = await cellsOf(town, listed.beads);
    const found = { ...listed, beads: listed.beads.map((row) => ({ ...row, cell: cells.get(row.bead) })) };
    const none =
      status === undefined && rig === undefined && convoy === undefined && host === undefined && !all
        ? 'no open beads (`heartbead ls --all` shows ended ones; `heartbead sling` starts one)'
        : 'no such beads';
    context.print(
      { beads: found.beads, more: found.more, cellsNotAsked: left },
      found.beads.length === 0 ? none : beadsTable(found.beads, Date.now(), context.io.colors),
    );
    if (!context.json && found.beads.length > 0) {
      context.note(
        `${found.more ? `the newest ${limit}; more with --limit. ` : ''}This list may be a moment late; ` +
          '`heartbead show BEAD` asks the bead itself.',
      );
    }
    if (left > 0)
      context.note(
        `of ${counted(left, 'bead')} it was not asked whether the agent has a sandbox: too many, or too slow`,
      );
    const sealed = found.beads.flatMap(({ bead, sealedWith }) => (sealedWith === undefined ? [] : [bead]));
    if (sealed.length > 0) {
      const { howToGiveKeys } = await import('../../codec/index.js');
      context.note(
        `${counted(sealed.length, 'bead')} of these cannot be read with the keys here (${firstOf(sealed, 3)}): ` +
          howToGiveKeys,
      );
    }
    return exitCodes.fine;
  },
});

/** What is listed does not say where it runs: the beads do, as they do when several are steered at once. */
async function onHost(
  context: Context,
  host: string,
  limit: number,
  { beads, more }: { beads: BeadSummary[]; more: boolean },
): Promise<{ beads: BeadSummary[]; more: boolean }> {
  const { answersOf, hostOf } = await import('../select-beads.js');
  const { views, silent } = await answersOf(await context.beads(), beads);
  const there = new Set(views.filter((view) => hostOf(view) === host).map(({ bead }) => bead));
  if (silent.length > 0)
    context.note(
      `${counted(silent.length, 'bead')} did not answer and may be there too ` +
        `(${firstOf(
          silent.map(({ bead }) => bead),
          3,
        )}): no worker of their queue has time; see \`heartbead doctor\``,
    );
  const found = beads.filter(({ bead }) => there.has(bead));
  return { beads: found.slice(0, limit), more: more || found.length > limit };
}
