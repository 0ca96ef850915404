import { exitCodes } from '../exit.js';
import { atMost } from '../shared-options.js';
import { verb } from '../verb.js';

export const problems = verb({
  name: 'problems',
  description: 'everything that needs a person: what, why, and the command that helps',
  options: { limit: atMost(10_000, 100, 'at most so many problems, what stands still first') },
  run: async (context, _, { limit }) => {
    const { lookAtTown } = await import('../../operator/town-facts.js');
    const { problemsOf } = await import('../../domain/telling/problems.js');
    const { leftOutText, problemsPage } = await import('../render/problems-page.js');
    const here = await import('../operators/attempts-here.js');
    const town = await context.town();
    const { facts } = await lookAtTown(town, { deadline: context.deadline, attentive: 500 });
    const all = problemsOf({
      ...facts,
      damaged: await here.damagedHere(town.home),
      forgotten: await here.forgottenHere(town.home),
      teardowns: await here.failedTeardownsHere(town.home),
      keptTrees: await here.keptTreesHere(town.home),
      refusedAccounts: await here.refusedAccountsHere(town.home),
    });
    const found = all.slice(0, limit);
    const left = leftOutText(facts.left);
    if (left !== undefined) context.note(left);
    context.print(
      {
        problems: found,
        more: all.length - found.length,
        lookedAt: {
          beads: facts.beads.filter(({ unasked }) => unasked !== true).length,
          rigs: facts.rigs.length,
          convoys: facts.convoys.length,
          hosts: facts.hosts,
        },
        notLookedAt: facts.left,
      },
      problemsPage(found, facts.now, context.io.colors, all.length - found.length),
    );
    return exitCodes.fine;
  },
});
