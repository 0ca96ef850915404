import { z } from 'zod';
import { noUsage } from '../../contract/index.js';
import { exitCodes } from '../exit.js';
import { atMost } from '../shared-options.js';
import { flag, option, verb } from '../verb.js';

export const costs = verb({
  name: 'costs',
  description: 'tokens, turns and costs per bead, convoy and rig, the dearest first',
  options: {
    open: flag('--open', 'open beads only (default: ended ones too, as long as the server keeps them)'),
    rig: option('--rig <name>', 'of this rig only', z.string().min(1).optional()),
    convoy: option('--convoy <id>', 'of this convoy only', z.string().min(1).optional()),
    limit: atMost(10_000, 1_000, 'at most so many beads, newest first'),
  },
  run: async (context, _, { limit, open, rig, convoy }) => {
    const { listBeads } = await import('../../client/list.js');
    const { viewsOf } = await import('../../operator/town-facts.js');
    const { byCost, groupCosts, sumOf } = await import('../../domain/telling/costs.js');
    const { costsPage } = await import('../render/costs-page.js');
    const town = await context.town();
    const found = await listBeads(town, {
      limit,
      all: !open,
      deadline: context.deadline,
      taskQueue: town.taskQueue,
      rig,
      convoy,
    });
    if (found.beads.length > 40) context.note(`asking ${found.beads.length} beads …`);
    const views = await viewsOf(town, found.beads, context.deadline);
    const silent = found.beads.filter((_, index) => views[index] === undefined).map(({ bead }) => bead);
    const beads = byCost(
      views.flatMap((view) =>
        view === undefined
          ? []
          : [
              {
                bead: view.bead,
                title: view.title,
                status: view.status,
                attempts: view.attemptCount,
                usage: view.usage ?? noUsage,
                rig: view.rig,
                convoy: view.convoy,
                budget:
                  view.budgets.maxTokens === undefined && view.budgets.maxCostUsd === undefined
                    ? undefined
                    : {
                        maxTokens: view.budgets.maxTokens,
                        maxCostUsd: view.budgets.maxCostUsd,
                      },
              },
            ],
      ),
    );
    if (silent.length > 0)
      context.note(
        `${silent.length} ${silent.length === 1 ? 'bead' : 'beads'} did not answer and ` +
          `${silent.length === 1 ? 'is' : 'are'} not counted: ` +
          `${silent.slice(0, 5).join(', ')}${silent.length > 5 ? ', …' : ''} (is a worker up? heartbead ` +
          'doctor)',
      );
    if (found.more) context.note(`only the newest ${limit} beads were asked: --limit takes more`);
    const result = {
      beads,
      convoys: groupCosts(beads, 'convoy'),
      rigs: groupCosts(beads, 'rig'),
      total: sumOf('all', beads),
      notAnswered: silent,
      more: found.more,
    };
    context.print(result, costsPage(result, context.io.colors));
    return exitCodes.fine;
  },
});
