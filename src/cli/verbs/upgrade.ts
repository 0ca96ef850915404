import { z } from 'zod';
import type { Context } from '../context.js';
import { exitCodes, failure, usageError } from '../exit.js';
import { wholeNumber } from '../args.js';
import { argument, option, verb, verbGroup } from '../verb.js';

const build = z.string().min(1).max(200);

/** @throws CliError when the town's workflows have no versions. */
async function versionsOf(context: Context) {
  const { TownDeployment, currentBefore, versionsSupported } = await import('../../client/deployment.js');
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
  return { deployment, town, former: currentBefore(town, town.current) };
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
      'give it this share of the new workflows only: what runs stays where it is; 0 takes what has begun there back',
      wholeNumber('--percent', 0, 100).optional(),
    ),
  },
  run: async (context, [wanted], { percent }) => {
    const { deployment, town } = await versionsOf(context);
    if (!town.versions.some((version) => version.build === wanted))
      throw usageError(`the town knows no build ${wanted}`, '`heartbead upgrade status` names the builds');
    const answer = { build: wanted, before: town.current ?? null, percent };
    if (percent === undefined) {
      await deployment.makeCurrent(wanted);
      // All go on with the build that was asked for, not with that of an earlier trial.
      const other = town.ramping !== undefined && town.ramping.build !== wanted ? town.ramping.build : undefined;
      if (other !== undefined) await deployment.ramp(other, 0);
      context.print(
        answer,
        `${wanted} is current; workflows of other builds go on with it in the next moments (heartbead upgrade status)` +
          (other === undefined ? '' : `; ${other} has no share of the new ones any more`),
      );
    } else if (percent === 0) {
      if (town.ramping !== undefined && town.ramping.build !== wanted)
        throw failure(
          `${wanted} has no share of the new workflows: ${town.ramping.build} has ${town.ramping.percent} %`,
          `\`heartbead upgrade to ${town.ramping.build} --percent 0\` ends that`,
        );
      if (town.ramping !== undefined) await deployment.ramp(wanted, 0);
      context.print(answer, shareIsOver(wanted, town.current));
    } else {
      if (wanted === town.current)
        throw failure(
          `${wanted} is current: all new workflows begin on it`,
          '`heartbead upgrade to BUILD --percent N` gives another build a share; `heartbead upgrade status` names them',
        );
      await deployment.ramp(wanted, percent);
      context.print(
        answer,
        `${percent} % of the new workflows begin on ${wanted}; those that run stay where they are` +
          (town.ramping === undefined || town.ramping.build === wanted
            ? ''
            : `; ${town.ramping.build} has no share any more`),
      );
    }
    return exitCodes.fine;
  },
});

const shareIsOver = (build: string, current: string | undefined): string =>
  `${build} has no share of the new workflows any more; what has begun there goes on with ` +
  `${current ?? 'workers without versions'} in the next moments (heartbead upgrade status)`;

const rollback = verb({
  name: 'rollback',
  description: 'make the build current that was so before, or take the share away that a build has been given',
  run: async (context) => {
    const { deployment, town, former } = await versionsOf(context);
    // Whoever goes back from a trial wants what there was before it.
    if (town.ramping !== undefined) {
      await deployment.ramp(town.ramping.build, 0);
      context.print(
        { build: town.current ?? null, before: town.ramping.build },
        shareIsOver(town.ramping.build, town.current),
      );
      return exitCodes.fine;
    }
    if (former === undefined)
      throw failure('no other build has ever been current', '`heartbead upgrade status` names the builds');
    await deployment.makeCurrent(former.build);
    context.print(
      { build: former.build, before: town.current ?? null },
      `${former.build} is current again; workflows of other builds go on with it in the next moments ` +
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
