import {
  beadIdProblem,
  branchProblem,
  commandProblem,
  hostPathProblem,
  limits,
  litterLimits,
  litterProblem,
  mergeStrategies,
  nulProblem,
  portLimits,
  readClocks,
  refPrefixProblem,
  repoProblem,
  savePolicies,
  treePathProblem,
} from '../../contract/index.js';
import type {
  Check,
  CopiedFile,
  Ports,
  RigChange,
  RigInput,
  RigSettings,
  Saves,
  SetupStep,
  Workspace,
} from '../../contract/index.js';
import { keyProblem } from '../approval/ssh-signature.js';
import { budgetsProblem, clocksProblem, mergeBudgets, mergeClocks } from '../clocks.js';

/** More agents of one rig than this are a slip of the keyboard. */
const mostAgents = 1_000;
/** Ten a second are no agents any more. */
const mostStartsPerHour = 36_000;
const mostChecks = 20;
const mostCopied = 50;
const mostApprovers = 20;
/** They go out with every grant, so they stay small. */
const mostChars = 60_000;
/** A check gets at least a second, and at most a day. */
const checkTimeouts = { least: 1_000, most: 24 * 60 * 60_000 };
/** All settings, and whether each may be taken away. */
const settingKinds: Record<keyof RigSettings, 'required' | 'optional'> = {
  repo: 'required',
  base: 'optional',
  agent: 'required',
  maxAgents: 'required',
  checks: 'required',
  strategy: 'required',
  approval: 'required',
  approvers: 'optional',
  clocks: 'optional',
  budgets: 'optional',
  startsPerHour: 'optional',
  usdPerHour: 'optional',
  setup: 'optional',
  teardown: 'optional',
  copy: 'optional',
  saves: 'optional',
  allowPush: 'optional',
  signoff: 'optional',
  refPrefix: 'optional',
  litter: 'optional',
  ports: 'optional',
};
const keys = Object.keys(settingKinds) as (keyof RigSettings)[];

/**
 * @returns what is wrong with a rig's name, or undefined. Names become workflow ids and folders, as those of beads do.
 */
export const rigNameProblem = (name: unknown): string | undefined =>
  beadIdProblem(name)?.replace('a bead id', 'the name of a rig');

/**
 * Everything that can be said against the settings of a rig; one rule for the CLI, the client and the workflow.
 * @returns one sentence, or undefined.
 */
export function rigSettingsProblem(given: unknown): string | undefined {
  if (typeof given !== 'object' || given === null)
    return 'the settings of a rig are one object: {repo, agent, maxAgents, checks, strategy, approval, …}';
  const s = given as Partial<RigSettings>;
  const unknown = Object.keys(s).find((key) => !(keys as string[]).includes(key));
  if (unknown !== undefined) return `a rig has no setting ${JSON.stringify(unknown)}; there are ${keys.join(', ')}`;
  return (
    repoProblem(s.repo) ??
    (s.base === undefined ? undefined : branchProblem(s.base)) ??
    agentProblem(s.agent) ??
    (Number.isInteger(s.maxAgents) && (s.maxAgents ?? 0) >= 1 && (s.maxAgents ?? 0) <= mostAgents
      ? undefined
      : `maxAgents is a whole number from 1 to ${mostAgents}; to stop all new attempts, pause the rig`) ??
    checksProblem(s.checks) ??
    (mergeStrategies.some((known) => known === s.strategy)
      ? undefined
      : `the strategy is one of ${mergeStrategies.join(', ')}`) ??
    (typeof s.approval === 'boolean' ? undefined : 'approval is true or false') ??
    approversProblem(s) ??
    clocksProblem(mergeClocks(s.clocks)) ??
    budgetsProblem(mergeBudgets(s.budgets)) ??
    spendLimitProblem(s) ??
    workspaceProblem(s) ??
    (JSON.stringify(s).length <= mostChars
      ? undefined
      : `the settings of a rig have at most ${mostChars} characters as JSON; put long material into the repository`)
  );
}

function agentProblem(agent: unknown): string | undefined {
  const adapter = (agent as { adapter?: unknown } | null | undefined)?.adapter;
  if (typeof adapter !== 'string' || adapter === '') return 'a rig needs an agent: {adapter: "shell" | "demo" | …}';
  if (adapter === 'rig') return 'the agent of a rig is the adapter itself; "rig" is what a bead says to get it';
  const { command } = agent as { command?: unknown };
  return command === undefined ? undefined : commandProblem(command);
}

function checksProblem(checks: unknown): string | undefined {
  if (!Array.isArray(checks)) return 'checks are a list of {name, command, timeout}';
  if (checks.length > mostChecks) return `a rig has at most ${mostChecks} checks, these are ${checks.length}`;
  const names = new Set<string>();
  for (const check of checks as Partial<Check>[]) {
    if (typeof check?.name !== 'string' || !/^[\w .-]{1,50}$/.test(check.name))
      return `a check has a short name of letters, digits and dashes, not ${JSON.stringify(check?.name)}`;
    if (names.has(check.name)) return `two checks are named ${check.name}`;
    names.add(check.name);
    if (typeof check.command !== 'string' || check.command.trim() === '' || check.command.length > limits.textChars)
      return (
        `check ${check.name} needs a command of at most ${limits.textChars} characters; put a longer one into a ` +
        'script'
      );
    if (check.command.includes('\0')) return nulProblem(check.command, `the command of check ${check.name}`);
    const { timeout } = check;
    if (typeof timeout !== 'number' || !(timeout >= checkTimeouts.least && timeout <= checkTimeouts.most))
      return `check ${check.name} needs a timeout in milliseconds, from a second to a day`;
  }
  return undefined;
}

function approversProblem({ approvers, approval }: Partial<RigSettings>): string | undefined {
  if (approvers === undefined) return undefined;
  if (!Array.isArray(approvers) || approvers.length === 0 || approvers.length > mostApprovers)
    return `approvers are a list of 1 to ${mostApprovers} public keys; null takes them away`;
  const problem = approvers.map(keyProblem).find((found) => found !== undefined);
  if (problem !== undefined) return problem;
  return approval === true
    ? undefined
    : 'a rig with approvers wants approval: take its keys away first (`heartbead rig set RIG --approver ""`)';
}

/** What is not counted in starts cannot be limited by them: a rig without any limit is not offered. */
function spendLimitProblem({ startsPerHour, usdPerHour }: Partial<RigSettings>): string | undefined {
  if (
    startsPerHour !== undefined &&
    !(Number.isInteger(startsPerHour) && startsPerHour >= 1 && startsPerHour <= mostStartsPerHour)
  )
    return `startsPerHour is a whole number from 1 to ${mostStartsPerHour}`;
  if (usdPerHour !== undefined && !(Number.isFinite(usdPerHour) && usdPerHour > 0))
    return `usdPerHour is a number of US dollars above 0, not ${JSON.stringify(usdPerHour)}`;
  return undefined;
}

/** A set-up step has no name of its own: it is called by its command. */
function workspaceProblem(given: Workspace): string | undefined {
  const { setup = [], teardown = [], copy = [], saves, allowPush, signoff, refPrefix, litter, ports } = given;
  if (!Array.isArray(setup) || !Array.isArray(teardown) || !Array.isArray(copy))
    return 'set-up steps, steps after an attempt, and copied files are lists';
  if (setup.length > mostChecks) return `a rig has at most ${mostChecks} set-up steps, these are ${setup.length}`;
  if (copy.length > mostCopied) return `a rig copies at most ${mostCopied} files, these are ${copy.length}`;
  if (teardown.length > mostChecks)
    return `a rig has at most ${mostChecks} steps after an attempt, these are ${teardown.length}`;
  for (const step of [...setup, ...teardown] as Partial<SetupStep>[]) {
    if (typeof step?.command !== 'string' || step.command.trim() === '' || step.command.length > limits.textChars)
      return `a set-up step needs a command of at most ${limits.textChars} characters; put a longer one into a script`;
    if (step.command.includes('\0')) return nulProblem(step.command, 'the command of a set-up step');
    if (!(Number(step.timeout) >= checkTimeouts.least && Number(step.timeout) <= checkTimeouts.most))
      return `the set-up step ${JSON.stringify(step.command)} needs a timeout in milliseconds, from a second to a day`;
  }
  for (const file of copy as Partial<CopiedFile>[]) {
    const problem = hostPathProblem(file?.from) ?? treePathProblem(file?.to);
    if (problem !== undefined) return problem;
  }
  if (allowPush !== undefined && typeof allowPush !== 'boolean') return 'allowPush is true or false';
  if (signoff !== undefined && typeof signoff !== 'boolean') return 'signoff is true or false';
  return (
    (saves === undefined ? undefined : savesProblem(saves)) ??
    (refPrefix === undefined ? undefined : refPrefixProblem(refPrefix)) ??
    (litter === undefined ? undefined : litterListProblem(litter)) ??
    (ports && portsProblem(ports))
  );
}

function litterListProblem(litter: unknown): string | undefined {
  if (!Array.isArray(litter)) return 'litter is a list of patterns such as *.log or tmp/cache';
  if (litter.length > litterLimits.patterns)
    return `a rig has at most ${litterLimits.patterns} patterns of litter, these are ${litter.length}`;
  return litter.map(litterProblem).find((problem) => problem !== undefined);
}

function portsProblem({ base, count }: Partial<Ports>): string | undefined {
  const { least, most, count: mostAtOnce } = portLimits;
  if (!Number.isInteger(count) || Number(count) < 1 || Number(count) > mostAtOnce)
    return `an attempt gets from 1 to ${mostAtOnce} ports, not ${JSON.stringify(count)}`;
  return Number.isInteger(base) && Number(base) >= least && Number(base) + Number(count) - 1 <= most
    ? undefined
    : `the ports of attempts begin between ${least} and ${most - Number(count) + 1}, not at ${JSON.stringify(base)}`;
}

function savesProblem(saves: unknown): string | undefined {
  if (typeof saves !== 'object' || saves === null) return 'saves are one object: {policy, fileBytes, allBytes}';
  const { policy, fileBytes, allBytes, ...more } = saves as Saves;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) return `saves have no setting ${JSON.stringify(unknown)}`;
  if (policy !== undefined && !savePolicies.includes(policy)) return `saves are one of ${savePolicies.join(', ')}`;
  for (const bytes of [fileBytes, allBytes])
    if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes >= 0))
      return 'the limits of saves are whole numbers of bytes';
  return undefined;
}

/** @returns what the trees of this rig are to be, or undefined where they are as usual and nothing has to be done. */
export function workspaceOf(settings: RigSettings): Workspace | undefined {
  const { setup, teardown, copy, saves, allowPush, signoff, refPrefix, litter, ports } = settings;
  const usual =
    [setup, teardown, copy, litter, Object.keys(saves ?? {})].every((list) => (list?.length ?? 0) === 0) &&
    allowPush !== true &&
    signoff !== true &&
    refPrefix === undefined &&
    ports === undefined;
  return usual ? undefined : { setup, teardown, copy, saves, allowPush, signoff, refPrefix, litter, ports };
}

/** @returns the set-up steps as what runs before the checks; without checks nothing has to be set up. */
export function checksOf({ checks, setup = [] }: RigSettings): Check[] {
  if (checks.length === 0) return [];
  return [...setup.map((step, index): Check => ({ name: `set-up ${index + 1}`, ...step })), ...checks];
}

/** @returns what is wrong with the input of a rig workflow, or undefined. */
export function rigInputProblem(input: unknown): string | undefined {
  if (typeof input !== 'object' || input === null) return 'a rig starts from one object: {rig, settings}';
  const given = input as Partial<RigInput>;
  return rigNameProblem(given.rig) ?? rigSettingsProblem(given.settings);
}

/** @returns settings whose clocks have their names of today. */
export const readSettings = (settings: RigSettings): RigSettings =>
  settings.clocks === undefined ? settings : { ...settings, clocks: readClocks(settings.clocks) };

/**
 * @returns the settings after a change; null takes an optional one away. Unchecked: hold it against
 * `rigSettingsProblem`.
 */
export function changeSettings(settings: RigSettings, change: RigChange): RigSettings {
  const changes = Object.entries(change).filter(([, value]) => value !== undefined);
  const kept = Object.entries({ ...settings, ...Object.fromEntries(changes) }).filter(
    ([key, value]) => value !== undefined && !(value === null && settingKinds[key as keyof RigSettings] === 'optional'),
  );
  return readSettings(Object.fromEntries(kept) as unknown as RigSettings);
}

/** @returns which settings differ, by name. */
export const changedSettings = (before: RigSettings, after: RigSettings): string[] =>
  keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
