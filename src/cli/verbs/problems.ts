import { exitCodes } from '../exit.js';
import { verb } from '../verb.js';

export const problems = verb({
  name: 'problems',
  description: 'everything that needs a person: what, why, and the command that helps',
  run: async (context) => {
    const { lookAtTown } = await import('../../operator/town-facts.js');
    const { problemsOf } = await import('../../domain/telling/problems.js');
    const { problemsPage } = await import('../render/problems-page.js');
    const here = await import('../operators/attempts-here.js');
    const town = await context.town();
    const { facts } = await lookAtTown(town, { deadline: context.deadline, attentive: 500 });
    const found = problemsOf({
      ...facts,
      damaged: await here.damagedHere(town.home),
      forgotten: await here.forgottenHere(town.home),
      teardowns: await here.failedTeardownsHere(town.home),
      refusedAccounts: await here.refusedAccountsHere(town.home),
    });
    if (facts.more)
      context.note(
        `only ${facts.beads.length} open beads were looked at: the newest, and the older ones that ask for a person`,
      );
    context.print(
      {
        problems: found,
        lookedAt: {
          beads: facts.beads.length,
          rigs: facts.rigs.length,
          convoys: facts.convoys.length,
          hosts: facts.hosts,
        },
      },
      problemsPage(found, facts.now, context.io.colors),
    );
    return exitCodes.fine;
  },
});
