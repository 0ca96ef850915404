import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** @returns the path of an executable: as it is when it names a path, else the first of that name on `PATH`. */
export function findProgram(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const candidates = isAbsolute(name)
    ? [name]
    : (env['PATH'] ?? '')
        .split(delimiter)
        .filter(isAbsolute)
        .map((folder) => join(folder, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}
