import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { cellNetworks } from './types.js';
import type { CellNetwork, Launcher } from './types.js';

/** Name of the settings file in the state directory of each host. */
export const cellSettingsFile = 'cell.json';

/** How a host runs what others have written. */
export interface CellSettings {
  agents: Launcher;
  checks: Launcher;
  network: CellNetwork;
  /** Further paths that a sandbox shows: caches, the socket of an ssh agent. `~` is the home. */
  read: readonly string[];
  write: readonly string[];
}

/** The settings file cannot be used; the message says where and why. */
export class CellSettingsError extends Error {
  override readonly name = 'CellSettingsError';
}

const launcher: z.ZodType<Launcher> = z.union([
  z.literal('none'),
  z.literal('sandbox'),
  z.array(z.string().min(1).max(4_000)).min(1).max(200),
]);
const path = z
  .string()
  .regex(/^(?:~?\/|~$)/, 'an absolute path, or one that begins with ~/')
  .transform((given) => given.replace(/^~(?=\/|$)/, homedir()));
const settings = z.strictObject({
  agents: launcher.default('none'),
  checks: launcher.default('none'),
  network: z.enum(cellNetworks).default('all'),
  read: z.array(path).max(200).default([]),
  write: z.array(path).max(200).default([]),
});

/**
 * @param home the state directory.
 * @returns its settings; without a file everything is `none`.
 * @throws CellSettingsError
 */
export function readCellSettings(home: string): CellSettings {
  const file = join(home, cellSettingsFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return settings.parse({});
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
