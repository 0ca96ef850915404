import { existsSync, readFileSync } from 'node:fs';
import { basename, isAbsolute, normalize, resolve } from 'node:path';
import { z } from 'zod';
import type { FleetClient } from '../../client/fleet.js';
import type { Check, CopiedFile, RigChange, RigSettings, Saves, SetupStep } from '../../contract/index.js';
import { savePolicies } from '../../contract/index.js';
import { approversText, keyProblem, rigNameProblem, rigSettingsProblem } from '../../domain/index.js';
import { agentSpec, agentSpecIfNamed } from '../../operator/agent-spec.js';
import { wholeNumber } from '../args.js';
import { durationOf } from '../duration.js';
import { exitCodes, usageError } from '../exit.js';
import { sshSign } from '../../operator/ssh-sign.js';
import type { Context } from '../context.js';
import type { Verb } from '../program.js';
import { elsewhereNotes, requireLandable } from '../../operator/local-repository.js';
import { requireBase } from '../../operator/remote-repository.js';
import { namedRepository } from '../../operator/repo.js';
import { agentOptions, clock, strategy, taskQueue } from '../shared-options.js';
import { argument, flag, option, repeatable, verb, verbGroup } from '../verb.js';
import type { Given } from '../verb.js';

const checkTimeout = 30 * 60_000;
/** The next attempts of the host wait for what ends the things of the last one. */
const teardownTimeout = 60_000;

const name = argument(
  '<name>',
  'its name',
  z.string().superRefine((given, issues) => {
    const problem = rigNameProblem(given);
    if (problem !== undefined) issues.addIssue({ code: 'custom', message: problem });
  }),
);

/** `20`, `$20` or `20/hour`. */
const usd = z.string().transform((given, context): number => {
  const amount = /^\$?(\d+(?:\.\d+)?)(?:\/h(?:our)?)?$/.exec(given)?.[1];
  if (amount !== undefined) return Number(amount);
  context.addIssue({ code: 'custom', message: `--spend-limit ${JSON.stringify(given)} is no amount of US dollars` });
  return z.NEVER;
});

/** What `add` and `set` have in common. */
const settings = {
  base: option(
    '--base <branch>',
    "branch that beads start from and land on (default: the remote's default branch)",
    z.string().optional(),
  ),
  ...agentOptions(' of its beads'),
  maxAgents: option(
    '--max-agents <n>',
    'running agents over all hosts (default: 4)',
    wholeNumber('--max-agents', 1, 1_000).optional(),
  ),
  check: repeatable(
    '--check <name=command>',
    'a command that must succeed in the merged tree; name@10m=command sets its time limit (default 30m; in this order)',
    z.array(z.string()).optional(),
  ),
  setup: repeatable(
    '--setup <command>',
    'a command that makes a fresh tree ready, before the agent and before checks; 10m=command sets its time ' +
      'limit (default 30m; in this order)',
    z.array(z.string()).optional(),
  ),
  teardown: repeatable(
    '--teardown <command>',
    'a command that ends what an attempt had others start (containers, units), on its host when it has ended; ' +
      '5m=command sets its time limit (default 1m); "" takes all away',
    z.array(z.string()).optional(),
  ),
  copy: repeatable(
    '--copy <file=path>',
    'a file of the host that is copied into a fresh tree, such as .env or /etc/app.env=.env',
    z.array(z.string()).optional(),
  ),
  startLimit: option(
    '--start-limit <n>',
    'paid starts within an hour that may lead to no verified work; then the rig starts no more (default: 120)',
    wholeNumber('--start-limit', 1, 36_000).optional(),
  ),
  spendLimit: option(
    '--spend-limit <usd>',
    'US dollars that its attempts may cost within an hour; then the rig starts no more; 0 takes the limit away',
    usd.optional(),
  ),
  saves: option(
    '--saves <policy>',
    'work in progress is saved on the remote (pushed), on its host only (host), or on the remote without ' +
      'untracked files (tracked)',
    z.enum(savePolicies, { error: `saves are one of ${savePolicies.join(', ')}` }).optional(),
  ),
  saveLimit: option(
    '--save-limit <MB>',
    'untracked files are saved up to this size each (default: 10)',
    wholeNumber('--save-limit', 0, 100_000).optional(),
  ),
  saveLimitAll: option(
    '--save-limit-all <MB>',
    'and up to this size together (default: 100)',
    wholeNumber('--save-limit-all', 0, 1_000_000).optional(),
  ),
  allowPush: option('--allow-push', 'agents may push to origin by themselves', z.boolean().optional()),
  signoff: option(
    '--signoff',
    'every commit has a Signed-off-by: agents are asked for theirs, saves and merges get one',
    z.boolean().optional(),
  ),
  refPrefix: option(
    '--ref-prefix <name>',
    'what the names of its branches and refs on the remote begin with (default: heartbead); "" sets the default',
    z.string().optional(),
  ),
  litter: repeatable(
    '--litter <pattern>',
    'untracked files that tools leave beside the work, such as *.log or tmp/cache: they keep no agent from being ' +
      'done; "" takes all away',
    z.array(z.string()).optional(),
  ),
  noSignoff: option('--no-signoff', 'nobody asks for a Signed-off-by', z.boolean().optional()),
  noAllowPush: option('--no-allow-push', 'Heartbead pushes for them', z.boolean().optional()),
  portBase: option(
    '--port-base <n>',
    'each attempt gets a block of ports of its own from here on, in HEARTBEAD_PORT and HEARTBEAD_PORT_COUNT; ' +
      'n/20 sets its size (default 10); 0 gives none',
    z.string().optional(),
  ),
  strategy,
  approval: option('--approval', 'a person approves each bead before it is merged', z.boolean().optional()),
  approver: repeatable(
    '--approver <key>',
    'an ed25519 public key of OpenSSH, or its file: approvals are signed by one of these keys ' +
      '(`heartbead approve --key`), and so are changes of them; "" takes all away',
    z.array(z.string()).optional(),
  ),
  noApproval: option('--no-approval', 'no approval', z.boolean().optional()),
  clock,
};
type Settings = Given<typeof settings> & { repo?: string | undefined };

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
function stepOf(text: string, option = '--setup', usual = checkTimeout): SetupStep {
  const match = /^(\d+(?:ms|s|m|h|d))=(.+)$/s.exec(text);
  const timeout = match === null ? usual : durationOf(match[1] as string);
  if (timeout === undefined)
    throw usageError(
      `${option} ${JSON.stringify(text)} is not command or 10m=command`,
      'see `heartbead rig add --help`',
    );
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

const megabyte = 1024 * 1024;

/** One setting: what is not given with it is as usual. */
function savesOf({ saves, saveLimit, saveLimitAll }: Settings): Saves | undefined {
  if (saves === undefined && saveLimit === undefined && saveLimitAll === undefined) return undefined;
  return definedOnly<Saves>({
    policy: saves,
    fileBytes: saveLimit === undefined ? undefined : saveLimit * megabyte,
    allBytes: saveLimitAll === undefined ? undefined : saveLimitAll * megabyte,
  });
}

/** `20000`, or `20000/20` for blocks of 20. @throws CliError (usage) */
function portsOf(text: string | undefined): RigChange['ports'] {
  if (text === undefined) return undefined;
  if (text === '0') return null;
  const [, base, count = '10'] = /^(\d{1,5})(?:\/(\d{1,4}))?$/.exec(text) ?? [];
  if (base === undefined)
    throw usageError(
      `--port-base ${JSON.stringify(text)} is no port such as 20000, or 20000/20 for blocks of 20`,
      'see `heartbead rig add --help`',
    );
  return { base: Number(base), count: Number(count) };
}

/** Keys, or files that have one; one that is empty takes all away. @throws CliError (usage) */
function approversOf(given: string[] | undefined): string[] | null | undefined {
  const keys = given
    ?.filter((key) => key !== '')
    .map((key) => (keyProblem(key) === undefined ? key.trim() : keyIn(key)));
  return keys?.length === 0 ? null : keys;
}

function keyIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw usageError(
      `--approver ${JSON.stringify(file)} is neither an ed25519 public key nor a file that can be read ` +
        `(${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      'give ~/.ssh/id_ed25519.pub, or make a key by `ssh-keygen -t ed25519`',
    );
  }
  if (keyProblem(text) === undefined) return text;
  // Its text is not told: it may be a private key.
  throw usageError(
    `${file} is no ed25519 public key of OpenSSH`,
    'give the .pub file of a key that `ssh-keygen -t ed25519` has made',
  );
}

/** The settings that were given, as a change. */
function changeOf(given: Settings, verb: string): RigChange {
  const approvers = approversOf(given.approver);
  return definedOnly({
    base: given.base === undefined ? undefined : given.base === '' ? null : given.base,
    agent: agentSpecIfNamed(given, `rig ${verb}`),
    maxAgents: given.maxAgents,
    checks: given.check?.filter((check) => check !== '').map(checkOf),
    // An empty one takes all away, as with checks.
    setup: given.setup?.filter((step) => step !== '').map((step) => stepOf(step)),
    teardown: given.teardown?.filter((step) => step !== '').map((step) => stepOf(step, '--teardown', teardownTimeout)),
    copy: given.copy?.filter((file) => file !== '').map(copiedFileOf),
    saves: savesOf(given),
    allowPush: given.allowPush,
    signoff: given.signoff,
    refPrefix: given.refPrefix === '' ? null : given.refPrefix,
    litter: given.litter?.filter((pattern) => pattern !== ''),
    ports: portsOf(given.portBase),
    strategy: given.strategy,
    approval: given.approval ?? ((approvers?.length ?? 0) > 0 ? true : undefined),
    approvers,
    clocks: given.clock,
    startsPerHour: given.startLimit,
    usdPerHour: given.spendLimit === 0 ? null : given.spendLimit,
  });
}

/** Another repository for a rig. @throws CliError where its work could not land there. */
async function changedRepo({ repo: given, strategy, base }: Settings): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const { repo, local } = await namedRepository(given, process.cwd());
  if (local !== undefined && strategy !== undefined) requireLandable(local, strategy, base);
  return repo;
}

/** What was not given must not take the place of a default. */
const definedOnly = <T extends object>(given: T): T =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;

/** Other hosts may have them: a person is told, and nothing is refused. */
const missingHere = (files: readonly CopiedFile[] | null | undefined): string[] =>
  (files ?? []).flatMap(({ from }) =>
    existsSync(from) ? [] : [`${from} is not on this machine: each host needs it before its first attempt (--copy)`],
  );

const add = verb({
  name: 'add',
  description: 'add a rig',
  arguments: [name],
  options: { repo: option('--repo <url>', 'the repository', z.string().optional()), ...settings, taskQueue },
  run: async (context, [rig], { taskQueue: queue, ...given }) => {
    if (given.repo === undefined) throw usageError('a rig needs a repository', 'give --repo URL');
    const { clocks, base, usdPerHour, ports, approvers, refPrefix, ...change } = changeOf(given, 'add');
    const { repo, local } = await namedRepository(given.repo, process.cwd());
    const landing = given.strategy ?? 'merge';
    if (local !== undefined) requireLandable(local, landing, base ?? undefined);
    const all: RigSettings = {
      maxAgents: 4,
      checks: [],
      strategy: landing,
      approval: false,
      ...(change as Partial<RigSettings>),
      repo,
      agent: agentSpec(given, 'rig add'),
      // What is checked out in a working copy changes with every `git checkout`: the base is what it is now.
      base: typeof base === 'string' ? base : local?.checkedOut,
      clocks: clocks ?? undefined,
      usdPerHour: usdPerHour ?? undefined,
      ports: ports ?? undefined,
      refPrefix: refPrefix ?? undefined,
      approvers: approvers ?? undefined,
    };
    const problem = rigSettingsProblem(all);
    if (problem !== undefined) throw usageError(problem, 'see `heartbead rig add --help`');
    const unseen = await requireBase(repo, all.base);
    if (!context.json)
      for (const note of [unseen, ...missingHere(all.copy), ...(local === undefined ? [] : elsewhereNotes(local))])
        if (note !== undefined) context.note(note);
    const town = await context.town();
    await (await context.fleet()).addRig(rig, all, queue ?? town.taskQueue);
    context.print({ rig, settings: all }, `added rig ${rig}; sling at it with \`heartbead sling TITLE --rig ${rig}\``);
    return exitCodes.fine;
  },
});

/** Signs the approvers that a rig gets, in place of those that it has. */
async function signedChange(context: Context, rig: string, { approvers }: RigChange, key: string): Promise<string> {
  if (approvers === undefined)
    throw usageError(
      '--key signs a change of approvers, and none is given',
      'give --approver with each key, or leave it',
    );
  const [town, fleet] = await Promise.all([context.town(), context.fleet()]);
  const { version } = await fleet.rig(rig);
  return sshSign(
    key,
    approversText({ namespace: town.client.options.namespace, rig }, version, approvers ?? undefined),
  );
}

const set = verb({
  name: 'set',
  description: 'change settings; they apply to the next attempt and the next merge',
  arguments: [name],
  options: {
    repo: option('--repo <url>', 'another repository', z.string().optional()),
    ...settings,
    key: option('--key <file>', 'the key of a present approver, where approvers change', z.string().min(1).optional()),
  },
  run: async (context, [rig], { key, ...given }) => {
    const change = definedOnly<RigChange>({ ...changeOf(given, 'set'), repo: await changedRepo(given) });
    if (Object.keys(change).length === 0)
      throw usageError('nothing is to be changed', 'see `heartbead rig set --help`');
    const fleet = await context.fleet();
    const { repo, base, copy } = change;
    if (repo !== undefined || typeof base === 'string') {
      const { settings: now } = await fleet.rig(rig);
      const unseen = await requireBase(repo ?? now.repo, base === undefined ? now.base : (base ?? undefined));
      if (unseen !== undefined && !context.json) context.note(unseen);
    }
    if (!context.json) for (const note of missingHere(copy)) context.note(note);
    const signature = key === undefined ? undefined : await signedChange(context, rig, change, key);
    const text = await fleet.configureRig(rig, { ...change, signature });
    context.print({ rig, text }, text);
    return exitCodes.fine;
  },
});

const show = verb({
  name: 'show',
  description: 'settings, agents and merge queue of a rig',
  arguments: [name],
  run: async (context, [rig]) => {
    const { rigPage } = await import('../render/rig-page.js');
    const fleet = await context.fleet();
    const [view, atWork] = await Promise.all([fleet.rig(rig), fleet.merges(rig)]);
    context.print({ ...view, atWork }, rigPage(view, Date.now(), context.io.colors, atWork));
    return exitCodes.fine;
  },
});

const ls = verb({
  name: 'ls',
  description: 'list the rigs',
  options: { all: flag('--all', 'removed ones too') },
  run: async (context, _, { all }) => {
    const { fleetTable } = await import('../render/fleet-table.js');
    const rigs = await (await context.fleet()).list('rig', { all, limit: 500 });
    context.print(
      { rigs },
      rigs.length === 0
        ? 'no rigs (`heartbead rig add` makes one)'
        : fleetTable('RIG', rigs, Date.now(), context.io.colors),
    );
    return exitCodes.fine;
  },
});

/** A request to a rig that it answers with a sentence. */
const request = (
  verbName: string,
  description: string,
  ask: (fleet: FleetClient, rig: string) => Promise<string>,
): Verb =>
  verb({
    name: verbName,
    description,
    arguments: [name],
    run: async (context, [rig]) => {
      const text = await ask(await context.fleet(), rig);
      context.print({ rig, text }, text);
      return exitCodes.fine;
    },
  });

const rm = verb({
  name: 'rm',
  description: 'remove a rig once its agents and merges have ended',
  arguments: [name],
  options: { force: flag('--force', 'also when beads wait for it: they then wait for a person') },
  run: async (context, [rig], { force }) => {
    const text = await (await context.fleet()).removeRig(rig, force ? { force } : {});
    context.print({ rig, text }, text);
    return exitCodes.fine;
  },
});

export const rig = verbGroup('rig', 'a repository with its settings: agent, limits, checks, merges', [
  add,
  set,
  show,
  ls,
  request('pause', 'no new attempts and merges until resume; what runs goes on', (fleet, rig) => fleet.pauseRig(rig)),
  request(
    'resume',
    'let a paused or stopped rig go on; with an open breaker or a shared cause, one tries at once',
    (fleet, rig) => fleet.resumeRig(rig),
  ),
  rm,
]);
