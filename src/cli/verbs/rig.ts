import { basename, isAbsolute, normalize, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { mergeStrategies } from '../../contract/index.js';
import type { Check, CopiedFile, RigChange, RigSettings, SetupStep } from '../../contract/index.js';
import { rigNameProblem, rigSettingsProblem } from '../../domain/index.js';
import { agentSpec } from '../agent-spec.js';
import { clockOptions, collect, keyValues, parseArgs, wholeNumber } from '../args.js';
import { action } from '../context.js';
import { durationOf } from '../duration.js';
import { exitCodes, usageError } from '../exit.js';
import { requireLandable } from '../local-repository.js';
import { namedRepository } from '../repo.js';

const checkTimeout = 30 * 60_000;

const options = z.object({
  repo: z.string().optional(),
  base: z.string().optional(),
  agent: z.string().optional(),
  command: z.string().optional(),
  option: keyValues.default({}),
  env: z.array(z.string()).default([]),
  maxAgents: wholeNumber('--max-agents', 1, 1_000).optional(),
  check: z.array(z.string()).optional(),
  setup: z.array(z.string()).optional(),
  copy: z.array(z.string()).optional(),
  strategy: z.enum(mergeStrategies, { error: `the strategy is one of ${mergeStrategies.join(', ')}` }).optional(),
  approval: z.boolean().optional(),
  clock: clockOptions.optional(),
  taskQueue: z.string().min(1).max(200).optional(),
});
type Given = z.output<typeof options>;

/** `name=command` or `name@10m=command`. @throws CliError (usage) */
function checkOf(text: string): Check {
  const match = /^([\w .-]{1,50}?)(?:@(\d+(?:ms|s|m|h|d)))?=(.+)$/s.exec(text);
  const timeout = match?.[2] === undefined ? checkTimeout : durationOf(match[2]);
  if (match === null || timeout === undefined)
    throw usageError(
      `--check ${JSON.stringify(text)} is not name=command or name@10m=command`,
      'see `heartbead rig add --help`',
    );
  return { name: match[1] as string, command: match[3] as string, timeout };
}

/** `command` or `10m=command`. @throws CliError (usage) */
function stepOf(text: string): SetupStep {
  const match = /^(\d+(?:ms|s|m|h|d))=(.+)$/s.exec(text);
  const timeout = match === null ? checkTimeout : durationOf(match[1] as string);
  if (timeout === undefined)
    throw usageError(`--setup ${JSON.stringify(text)} is not command or 10m=command`, 'see `heartbead rig add --help`');
  return { command: match?.[2] ?? text, timeout };
}

/** `file`, which has the same path below the tree, or `file=path`. */
function copiedFileOf(text: string): CopiedFile {
  const at = text.lastIndexOf('=');
  const from = at < 0 ? text : text.slice(0, at);
  return { from: resolve(from), to: at < 0 ? relativeName(from) : text.slice(at + 1) };
}

/** A path within this folder keeps its place in the tree; of another, the name counts. */
const relativeName = (path: string): string =>
  isAbsolute(path) || path.startsWith('..') ? basename(path) : normalize(path);

/** The settings that were given, as a change. */
function changeOf(given: Given, verb: string): RigChange {
  return {
    ...(given.base === undefined ? {} : { base: given.base === '' ? null : given.base }),
    ...(given.agent === undefined && given.command === undefined ? {} : { agent: agentSpec(given, `rig ${verb}`) }),
    maxAgents: given.maxAgents,
    ...(given.check === undefined ? {} : { checks: given.check.filter((check) => check !== '').map(checkOf) }),
    // An empty one takes all away, as with checks.
    setup: given.setup?.filter((step) => step !== '').map(stepOf),
    copy: given.copy?.filter((file) => file !== '').map(copiedFileOf),
    strategy: given.strategy,
    approval: given.approval,
    clocks: given.clock,
  };
}

/** Another repository for a rig. @throws CliError where its work could not land there. */
async function changedRepo({ repo: given, strategy, base }: Given): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const { repo, local } = await namedRepository(given, process.cwd());
  if (local !== undefined && strategy !== undefined) requireLandable(local, strategy, base);
  return repo;
}

const nameOf = (given: string): string => {
  const problem = rigNameProblem(given);
  if (problem !== undefined) throw usageError(problem, 'see `heartbead rig --help`');
  return given;
};

export function rig(program: Command): void {
  const group = program.command('rig').description('a repository with its settings: agent, limits, checks, merges');
  group.action(() => {
    group.outputHelp({ error: true });
    process.exitCode = exitCodes.usage;
  });
  const withSettings = (command: Command): Command =>
    command
      .option('--base <branch>', "branch that beads start from and land on (default: the remote's default branch)")
      .option('--agent <name>', 'the agent program of its beads')
      .option('--command <cmd>', 'the command line of the shell agent')
      .option('--option <key=value>', "an option of the agent's adapter; the value may be JSON (repeatable)", collect)
      .option('--env <name>', "a variable of the worker's host that the agent may see (repeatable)", collect)
      .option('--max-agents <n>', 'running agents over all hosts (default: 4)')
      .option(
        '--check <name=command>',
        'a command that must succeed in the merged tree; name@10m=command sets its time limit (default 30m; repeatable, in this order)',
        collect,
      )
      .option(
        '--setup <command>',
        'a command that makes a fresh tree ready, before the agent and before checks; 10m=command sets its time limit (default 30m; repeatable, in this order)',
        collect,
      )
      .option(
        '--copy <file=path>',
        'a file of the host that is copied into a fresh tree, such as .env or /etc/app.env=.env (repeatable)',
        collect,
      )
      .option('--strategy <name>', `how work lands: ${mergeStrategies.join(', ')} (default: merge)`)
      .option('--approval', 'a person approves each bead before it is merged')
      .option('--no-approval', 'no approval')
      .option('--clock <name=duration>', 'another setting for one of the clocks (repeatable)', collect)
      .option('--json', 'print JSON');

  withSettings(
    group
      .command('add')
      .description('add a rig')
      .argument('<name>', 'its name')
      .requiredOption('--repo <url>', 'the repository'),
  )
    .option('--task-queue <name>', "the town's task queue")
    .action(
      action(async (context, givenName: string, rest: unknown) => {
        const name = nameOf(givenName);
        const given = parseArgs(options, rest, 'rig add');
        const { clocks, base, ...change } = changeOf(given, 'add');
        const { repo, local } = await namedRepository(given.repo ?? '', process.cwd());
        const strategy = given.strategy ?? 'merge';
        if (local !== undefined) requireLandable(local, strategy, base ?? undefined);
        const settings: RigSettings = {
          maxAgents: 4,
          checks: [],
          strategy,
          approval: false,
          ...(change as Partial<RigSettings>),
          repo,
          agent: agentSpec(given, 'rig add'),
          // What is checked out in a working copy changes with every `git checkout`: the base is what it is now.
          base: typeof base === 'string' ? base : local?.checkedOut,
          ...(clocks ? { clocks } : {}),
        };
        const problem = rigSettingsProblem(settings);
        if (problem !== undefined) throw usageError(problem, 'see `heartbead rig add --help`');
        const town = await context.town();
        await (await context.fleet()).addRig(name, settings, given.taskQueue ?? town.taskQueue);
        context.print(
          { rig: name, settings },
          `added rig ${name}; sling at it with \`heartbead sling TITLE --rig ${name}\``,
        );
        return exitCodes.fine;
      }),
    );
  withSettings(
    group
      .command('set')
      .description('change settings; they apply to the next attempt and the next merge')
      .argument('<name>', 'its name')
      .option('--repo <url>', 'another repository'),
  ).action(
    action(async (context, givenName: string, rest: unknown) => {
      const given = parseArgs(options, rest, 'rig set');
      const change: RigChange = { ...changeOf(given, 'set'), repo: await changedRepo(given) };
      if (Object.values(change).every((value) => value === undefined))
        throw usageError('nothing is to be changed', 'see `heartbead rig set --help`');
      const text = await (await context.fleet()).configureRig(nameOf(givenName), change);
      context.print({ rig: givenName, text }, text);
      return exitCodes.fine;
    }),
  );
  group
    .command('show')
    .description('settings, agents and merge queue of a rig')
    .argument('<name>', 'its name')
    .option('--json', 'print JSON')
    .action(
      action(async (context, name: string) => {
        const { rigPage } = await import('../render/rig-page.js');
        const fleet = await context.fleet();
        const [view, atWork] = await Promise.all([fleet.rig(nameOf(name)), fleet.merges(nameOf(name))]);
        context.print({ ...view, atWork }, rigPage(view, context.io.colors, atWork));
        return exitCodes.fine;
      }),
    );
  group
    .command('ls')
    .description('list the rigs')
    .option('--all', 'removed ones too')
    .option('--json', 'print JSON')
    .action(
      action(async (context, { all }: { all?: boolean }) => {
        const { fleetTable } = await import('../render/fleet-table.js');
        const rigs = await (await context.fleet()).list('rig', { all: all === true, limit: 500 });
        context.print(
          { rigs },
          rigs.length === 0
            ? 'no rigs (`heartbead rig add` makes one)'
            : fleetTable('RIG', rigs, Date.now(), context.io.colors),
        );
        return exitCodes.fine;
      }),
    );
  const simple = (verb: 'pause' | 'resume', description: string): void => {
    group
      .command(verb)
      .description(description)
      .argument('<name>', 'its name')
      .option('--json', 'print JSON')
      .action(
        action(async (context, name: string) => {
          const fleet = await context.fleet();
          const text = verb === 'pause' ? await fleet.pauseRig(nameOf(name)) : await fleet.resumeRig(nameOf(name));
          context.print({ rig: name, text }, text);
          return exitCodes.fine;
        }),
      );
  };
  simple('pause', 'no new attempts and merges until resume; what runs goes on');
  simple('resume', 'let a paused rig go on; with an open breaker, probe at once');
  group
    .command('rm')
    .description('remove a rig once its agents and merges have ended')
    .argument('<name>', 'its name')
    .option('--force', 'also when beads wait for it: they then wait for a person')
    .option('--json', 'print JSON')
    .action(
      action(async (context, name: string, { force }: { force?: boolean }) => {
        const text = await (await context.fleet()).removeRig(nameOf(name), force === true ? { force } : {});
        context.print({ rig: name, text }, text);
        return exitCodes.fine;
      }),
    );
}
