import envPaths from 'env-paths';
import { join, resolve } from 'node:path';

/**
 * The host's state directory: server and worker records, mirrors, attempts, logs.
 * @returns `HEARTBEAD_HOME` when set, else the platform's place for data of the user. An absolute path, which need not exist yet.
 */
export function stateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const named = env['HEARTBEAD_HOME'];
  return named !== undefined && named !== '' ? resolve(named) : envPaths('heartbead', { suffix: '' }).data;
}

/** The demo's own state directory inside a state directory: so that a demo can never touch the beads of a town. */
export const demoDirectory = (home: string): string => join(home, 'demo');
