import { basename, dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { z } from 'zod';
import { convoyPolicies, convoyTargets } from '../../contract/index.js';
import type { ConvoySpec } from '../../contract/index.js';
import { importBeads } from '../../domain/beads-import.js';
import { convoyProblem } from '../../domain/convoy/graph.js';
import { collect, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes, usageError } from '../exit.js';
import { readText } from '../read-text.js';

const fileBytes = 64 * 1024 * 1024;
const options = z.object({
  rig: z.string({ error: 'which rig do they belong to? --rig NAME' }).min(1),
  convoy: z.string().optional(),
  title: z.string().optional(),
  taskQueue: z.string().optional(),
  policy: z
    .enum(convoyPolicies, { error: `the policy of a convoy is one of ${convoyPolicies.join(', ')}` })
    .default('wait'),
  target: z.enum(convoyTargets, { error: 'the target of a convoy is base or integration' }).default('base'),
  start: z.boolean().default(false),
  staged: z.boolean().default(false),
  deferred: z.boolean().default(false),
  ignoreMissing: z.boolean().default(false),
  doneStatus: z.array(z.string().min(1)).default([]),
  openStatus: z.array(z.string().min(1)).default([]),
});

export function importVerb(program: Command): void {
  program
    .command('import')
    .description('make a convoy of the issues of the tracker "beads" (.beads/issues.jsonl), with their dependencies')
    .argument('<file>', 'the file; - reads it from stdin')
    .option('--rig <name>', 'the rig that its beads belong to')
    .option('--convoy <id>', 'id of the convoy (default: made of the folder and the day)')
    .option('--title <text>', 'its title')
    .option('--policy <policy>', `what a lost bead means for those that need it: ${convoyPolicies.join(', ')}`)
    .option('--target <target>', 'where they land: base, or integration (a branch of their own first)')
    .option('--deferred', 'deferred issues too')
    .option('--ignore-missing', 'needs that the file does not have count as done')
    .option('--done-status <name>', 'a status of your own that means finished (may be given more than once)', collect)
    .option('--open-status <name>', 'a status of your own that means work to do (likewise)', collect)
    .option('--staged', 'nothing starts before `heartbead convoy start`')
    .option('--start', 'create the convoy now (default: print its file, for `heartbead convoy create`)')
    .option('--task-queue <name>', "the town's task queue")
    .option('--json', 'print JSON')
    .action(
      action(async (context, file: string, given: unknown) => {
        const wanted = parseArgs(options, given, 'import');
        const imported = importBeads(await readText(file, fileBytes, 'a list of issues'), {
          deferred: wanted.deferred,
          ignoreMissing: wanted.ignoreMissing,
          doneStatuses: wanted.doneStatus,
          openStatuses: wanted.openStatus,
          now: Date.now(),
        });
        if ('problem' in imported) throw usageError(`${file}: ${imported.problem}`, 'nothing was started');
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
          await (await context.fleet()).createConvoy(spec, wanted.taskQueue ?? (await context.town()).taskQueue);
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
        context.print(
          { ...spec, names: imported.names, notes: imported.notes, started: false },
          stringify(spec).trimEnd(),
        );
        return exitCodes.fine;
      }),
    );
}

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
