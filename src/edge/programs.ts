import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** @returns the absolute path of a program on PATH, or undefined. */
export function onPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    for (const ending of process.platform === 'win32' ? ['.exe', '.cmd', ''] : ['']) {
      const path = join(folder, name + ending);
      if (executableProblem(path) === undefined) return path;
    }
  }
  return undefined;
}

/** @returns what keeps the file from being run, or undefined. */
export function executableProblem(path: string): string | undefined {
  let stat;
  try {
    stat = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A folder of PATH that we may not enter, a loop of links: no program for us is behind it.
    return `cannot be looked at (${(error as NodeJS.ErrnoException).code ?? String(error)})`;
  }
  if (stat === undefined) return 'does not exist';
  if (!stat.isFile()) return 'is not a file';
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch {
    // `access` fails for one reason only here: the file is there, but not executable for us.
    return 'is not executable';
  }
}
