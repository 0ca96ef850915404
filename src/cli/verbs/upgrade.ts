import { z } from 'zod';
import type { Context } from '../context.js';
import { exitCodes, failure, usageError } from '../exit.js';
import { wholeNumber } from '../args.js';
import { argument, option, verb, verbGroup } from '../verb.js';

const build = z.string().min(1).max(200);

/** @throws CliError when the town's workflows have no versions. */
async function versionsOf(context: Context) {
  const { TownDeployment, versionsSupported } = await import('../../client/deployment.js');
  const where = await context.town();
  const deployment = new TownDeployment(where, context.deadline);
  const town = await deployment.describe();
  if (town === undefined) {
    const hindrance = await versionsSupported(where.connection, context.deadline);
    throw failure(
      'the workflows of this town have no versions',
      hindrance === undefined
        ? 'workers give them versions with `--versioning auto` (docs/operators.md, "Upgrades")'
        : `${hindrance} (docs/operators.md, "Upgrades")`,
    );
  }
  return { deployment, town };
}

const status = verb({
  name: 'status',
  description:
    'the builds of the workflow code: which one is current, how many workflows are pinned to each, who works for it',
  run: async (context) => {
    const { buildsOf } = await import('../local/builds.js');
    const { upgradePage } = await import('../render/upgrade-page.js');
    const found = await buildsOf(await context.town(), context.deadline);
    context.print(found, upgradePage(found, context.io.colors));
    return exitCodes.fine;
  },
});

const to = verb({
  name: 'to',
  description: 'make a build the current one: new workflows begin on it, and all others go on with it',
  arguments: [argument('<build>', 'as `upgrade status` names it', build)],
  options: {
    percent: option(
      '--percent <n>',
      'give it this share of the new workflows instead; 0 ends that',
      wholeNumber('--percent', 0, 100).optional(),
    ),
  },
  run: async (context, [wanted], { percent }) => {
    const { deployment, town } = await versionsOf(context);
    if (!town.versions.some((version) => version.build === wanted))
      throw usageError(`the town knows no build ${wanted}`, '`heartbead upgrade status` names the builds');
    if (percent === undefined) await deployment.makeCurrent(wanted);
    else await deployment.ramp(wanted, percent);
    context.print(
      { build: wanted, before: town.current ?? null, percent },
      percent === undefined
        ? `${wanted} is current; workflows of other builds go on with it in the next moments (heartbead upgrade status)`
        : percent === 0
          ? `no share of the new workflows begins on another build than the current one any more`
          : `${percent} % of the new workflows begin on ${wanted}`,
    );
    return exitCodes.fine;
  },
});

const rollback = verb({
  name: 'rollback',
  description: 'make the build current that was so before',
  run: async (context) => {
    const { deployment, town } = await versionsOf(context);
    const before = town.versions
      .filter(({ build, usedAt }) => build !== town.current && usedAt !== undefined)
      .sort((a, b) => (b.usedAt ?? 0) - (a.usedAt ?? 0))[0];
    if (before === undefined)
      throw failure('no other build has ever been current', '`heartbead upgrade status` names the builds');
    await deployment.makeCurrent(before.build);
    context.print(
      { build: before.build, before: town.current ?? null },
      `${before.build} is current again; workflows of other builds go on with it in the next moments ` +
        '(heartbead upgrade status)',
    );
    return exitCodes.fine;
  },
});

export const upgrade = verbGroup(
  'upgrade',
  'versions of the workflow code: where workflows are, and where they go on',
  [status, to, rollback],
);
