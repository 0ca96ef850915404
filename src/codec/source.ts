import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where the keys come from: never a key itself. So it may stand in an attempt's `connection.json`. */
export type KeySource = { file: string } | { command: string };

/** The file of a state directory that holds its town's keys. */
export const keysFile = 'payload-keys.json';

/**
 * @returns where the keys of a town come from: `HEARTBEAD_KEYS_COMMAND`, `HEARTBEAD_KEYS_FILE`, or the file in its
 * state directory. Undefined: its payloads are not encrypted.
 */
export function keySource(env: NodeJS.ProcessEnv, home: string): KeySource | undefined {
  const command = env['HEARTBEAD_KEYS_COMMAND'];
  if (command !== undefined && command !== '') return { command };
  const named = env['HEARTBEAD_KEYS_FILE'];
  if (named !== undefined && named !== '') return { file: resolve(named) };
  const own = join(home, keysFile);
  return existsSync(own) ? { file: own } : undefined;
}

/** @returns the place in words; a command may hold more than its name, so that no more of it is told. */
export const placeOfKeys = (source: KeySource): string =>
  'file' in source ? source.file : 'the command in HEARTBEAD_KEYS_COMMAND';
