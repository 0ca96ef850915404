import { basename, dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { convoyPolicies, convoyTargets } from '../../contract/index.js';
import type { ConvoySpec } from '../../contract/index.js';
import { importBeads } from '../../domain/beads-import.js';
import { convoyProblem } from '../../domain/convoy/graph.js';
import { exitCodes, usageError } from '../exit.js';
import { readText } from '../read-text.js';
import { taskQueue } from '../shared-options.js';
import { argument, flag, option, repeatable, verb } from '../verb.js';

const fileBytes = 64 * 1024 * 1024;

/** A status that a person has given the tracker. */
const statuses = z.array(z.string().min(1)).default([]);

export const importVerb = verb({
  name: 'import',
  description: 'make a convoy of the issues of the tracker "beads" (.beads/issues.jsonl), with their dependencies',
  arguments: [argument('<file>', 'the file; - reads it from stdin', z.string())],
  options: {
    rig: option(
      '--rig <name>',
      'the rig that its beads belong to',
      z.string({ error: 'which rig do they belong to? --rig NAME' }).min(1),
    ),
    convoy: option(
      '--convoy <id>',
      'id of the convoy (default: made of the folder and the day)',
      z.string().optional(),
    ),
    title: option('--title <text>', 'its title', z.string().optional()),
    policy: option(
      '--policy <policy>',
      `what a lost bead means for those that need it: ${convoyPolicies.join(', ')}`,
      z
        .enum(convoyPolicies, { error: `the policy of a convoy is one of ${convoyPolicies.join(', ')}` })
        .default('wait'),
    ),
    target: option(
      '--target <target>',
      'where they land: base, or integration (a branch of their own first)',
      z.enum(convoyTargets, { error: 'the target of a convoy is base or integration' }).default('base'),
    ),
    deferred: flag('--deferred', 'deferred issues too'),
    ignoreMissing: flag('--ignore-missing', 'needs that the file does not have count as done'),
    doneStatus: repeatable('--done-status <name>', 'a status of your own that means finished', statuses),
    openStatus: repeatable('--open-status <name>', 'a status of your own that means work to do', statuses),
    staged: flag('--staged', 'nothing starts before `heartbead convoy start`'),
    start: flag('--start', 'create the convoy now (default: print its file, for `heartbead convoy create`)'),
    taskQueue,
  },
  run: async (context, [file], wanted) => {
    const imported = importBeads(await readText(file, fileBytes, 'a list of issues'), {
      deferred: wanted.deferred,
      ignoreMissing: wanted.ignoreMissing,
      doneStatuses: wanted.doneStatus,
      openStatuses: wanted.openStatus,
      now: Date.now(),
    });
    if ('problem' in imported)
      throw usageError(
        `${file}: ${imported.problem}`,
        'correct the file (or the options), then import again; nothing was started',
      );
    const spec: ConvoySpec = {
      convoy: wanted.convoy ?? idOf(file),
      title: wanted.title ?? `Issues of ${file === '-' ? 'a list' : basename(projectOf(file))}`,
      rig: wanted.rig,
      policy: wanted.policy,
      target: wanted.target,
      staged: wanted.staged,
      beads: imported.beads,
    };
    const problem = convoyProblem(spec);
    if (problem !== undefined)
      throw usageError(
        `${file}: ${problem}`,
        'correct the issues (or the options), then import again; nothing was started',
      );
    for (const note of imported.notes) context.note(note);
    if (wanted.start) {
      const fleet = await context.fleet();
      await fleet.needsRig(spec.rig);
      await fleet.createConvoy(spec, wanted.taskQueue ?? (await context.town()).taskQueue);
      context.print(
        {
          convoy: spec.convoy,
          beads: spec.beads.length,
          names: imported.names,
          notes: imported.notes,
          started: true,
        },
        `created convoy ${spec.convoy} with ${spec.beads.length} beads; \`heartbead convoy show ` +
          `${spec.convoy}\` tells how it goes`,
      );
      return exitCodes.fine;
    }
    context.print({ ...spec, names: imported.names, notes: imported.notes, started: false }, stringify(spec).trimEnd());
    return exitCodes.fine;
  },
});

/** `/srv/app/.beads/issues.jsonl` belongs to `/srv/app`. */
function projectOf(file: string): string {
  const folder = dirname(resolve(file));
  return basename(folder) === '.beads' ? dirname(folder) : folder;
}

function idOf(file: string): string {
  const name =
    file === '-'
      ? 'import'
      : basename(projectOf(file))
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '-')
          .replace(/^-+|-+$/g, '')
          .slice(0, 20);
  return `${name === '' ? 'import' : name}-${new Date().toISOString().slice(5, 10)}`;
}
