import envPaths from 'env-paths';
import { isAbsolute, resolve } from 'node:path';

/**
 * The folder for Temporal's programs: outside of every checkout, so that a fresh clone does not fetch or build them
 * again. `HEARTBEAD_CACHE` overrides the system's own place (`~/.cache/heartbead` on Linux).
 */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const override = env['HEARTBEAD_CACHE'];
  if (override === undefined || override === '') return envPaths('heartbead', { suffix: '' }).cache;
  return isAbsolute(override) ? override : resolve(override);
}
