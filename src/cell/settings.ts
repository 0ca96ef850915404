import { readFileSync } from 'node:fs';
import { homedir, totalmem } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { destinationProblem } from '../contract/index.js';
import { isMissing } from '../edge/errors.js';
import { cellNetworks } from './types.js';
import type { CellLimits, CellNetwork, LauncherSetting } from './types.js';

/** Name of the settings file in the state directory of each host. */
export const cellSettingsFile = 'cell.json';

/** The variable of the worker that says what holds where the file says nothing. */
export const cellVariable = 'HEARTBEAD_SANDBOX';

/** How a host runs what others have written. */
export interface CellSettings {
  agents: LauncherSetting;
  checks: LauncherSetting;
  network: CellNetwork;
  /** Further paths that a sandbox shows: caches, the socket of an ssh agent. `~` is the home. */
  read: readonly string[];
  write: readonly string[];
  limits: CellLimits;
  /** By what lists of hosts call them, without the `@`. */
  groups: Readonly<Record<string, readonly string[]>>;
}

/**
 * What holds where nothing is said. A program that forks without end is stopped before the host has no process left,
 * one that eats memory before the kernel picks a victim: which may be its neighbour, or the worker.
 */
export const defaultLimits = (): CellLimits => ({
  memoryMb: Math.floor((0.8 * (process.constrainedMemory() || totalmem())) / 2 ** 20),
  processes: 4_096,
});

/** The settings file cannot be used; the message says where and why. */
export class CellSettingsError extends Error {
  override readonly name = 'CellSettingsError';
}

const words = ['auto', 'sandbox', 'none'] as const;
const launcher: z.ZodType<LauncherSetting> = z.union([
  z.enum(words),
  z.array(z.string().min(1).max(4_000)).min(1).max(200),
]);
const path = z
  .string()
  .regex(/^(?:~?\/|~$)/, 'an absolute path, or one that begins with ~/')
  .transform((given) => given.replace(/^~(?=\/|$)/, homedir()));
const paths = z.array(path).max(200);
const destination = z.string().superRefine((entry, context) => {
  const problem = destinationProblem(entry);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});
/** `null`: no limit, whatever is usual. */
const limit = (least: number): z.ZodType<number | null | undefined> =>
  z.int().min(least).max(1_000_000_000).nullable().optional();
const parts = {
  limits: z.strictObject({ memoryMb: limit(64), processes: limit(16), diskMb: limit(16) }).optional(),
  agents: launcher.optional(),
  checks: launcher.optional(),
  network: z.union([z.enum(cellNetworks), z.strictObject({ allow: z.array(destination).max(500) })]).optional(),
  read: paths.optional(),
  write: paths.optional(),
};
const name = /^[a-z0-9][a-z0-9-]{0,59}$/;
const settings = z.strictObject({
  ...parts,
  /** Hosts that a list may name at once, as `@name`. */
  groups: z.record(z.string().regex(name, 'not the name of a group'), z.array(destination).max(500)).optional(),
  /** What is different for the beads of a rig, by its name. */
  rigs: z.record(z.string().regex(name, 'not the name of a rig'), z.strictObject(parts)).optional(),
});

/**
 * @param home the state directory.
 * @param rig whose beads it is about: what the file says of it goes before.
 * @param env the worker's variables.
 * @returns its settings; what is said nowhere is `auto`.
 * @throws CellSettingsError
 */
export function readCellSettings(
  home: string,
  rig?: string,
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): CellSettings {
  const usual = variableOf(env);
  const { rigs, groups, ...general } = readFile(home);
  const own = (rig === undefined ? undefined : rigs?.[rig]) ?? {};
  return {
    agents: own.agents ?? general.agents ?? usual,
    checks: own.checks ?? general.checks ?? usual,
    network: own.network ?? general.network ?? 'all',
    read: [...(general.read ?? []), ...(own.read ?? [])],
    write: [...(general.write ?? []), ...(own.write ?? [])],
    limits: limitsOf([general.limits, own.limits]),
    groups: groups ?? {},
  };
}

type LimitsAsked = z.output<typeof settings>['limits'];

/** @returns the usual limits as changed by each of the settings, the last word counting. */
function limitsOf(asked: readonly LimitsAsked[]): CellLimits {
  const found: CellLimits = defaultLimits();
  for (const more of asked)
    for (const name of ['memoryMb', 'processes', 'diskMb'] as const) {
      const given = more?.[name];
      if (given === null) delete found[name];
      else if (given !== undefined) found[name] = given;
    }
  return found;
}

function variableOf(env: Readonly<NodeJS.ProcessEnv>): (typeof words)[number] {
  const given = env[cellVariable];
  if (given === undefined || given === '') return 'auto';
  const known = words.find((word) => word === given);
  if (known === undefined)
    throw new CellSettingsError(`${cellVariable} is one of ${words.join(', ')}, not ${JSON.stringify(given)}`);
  return known;
}

function readFile(home: string): z.output<typeof settings> {
  const file = join(home, cellSettingsFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return {};
    throw new CellSettingsError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new CellSettingsError(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = settings.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CellSettingsError(`${file}: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`);
}
