import envPaths from 'env-paths';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isMissing } from '../edge/errors.js';

/**
 * The host's state directory: server and worker records, mirrors, attempts, logs.
 * @returns `HEARTBEAD_HOME` when set, else the platform's place for data of the user. An absolute path, which need not
 * exist yet.
 */
export function stateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const named = env['HEARTBEAD_HOME'];
  return named !== undefined && named !== '' ? resolve(named) : envPaths('heartbead', { suffix: '' }).data;
}

/** The demo's own state directory inside a state directory: so that a demo can never touch the beads of a town. */
export const demoDirectory = (home: string): string => join(home, 'demo');

/**
 * @returns the id of this host as its worker made it, or undefined when no worker has ever run in this state directory.
 */
export async function hostIdOf(home: string): Promise<string | undefined> {
  try {
    return (await readFile(join(home, 'host-id'), 'utf8')).trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
