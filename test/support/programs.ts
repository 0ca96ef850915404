import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { programPaths } from '../../scripts/programs.mjs';
import { cacheDirectory } from '../../src/server/cache.js';

/**
 * Looks for `git-lfs` on the path, where Go installs it, and where `npm test` puts it.
 * @returns its path, or undefined where there is none.
 */
export const findLfs = (): string | undefined =>
  [
    ...[
      ...(process.env['PATH'] ?? '').split(delimiter),
      join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'bin'),
    ].map((folder) => join(folder, 'git-lfs')),
    join(cacheDirectory(), programPaths['git-lfs']),
  ].find((file) => existsSync(file));

/** For the name of a test that is skipped without it. */
export const withoutLfs =
  findLfs() === undefined ? ' (skipped: there is no git-lfs; `node scripts/programs.mjs` gets it)' : '';

/** @returns the path of what `npm test` has fetched; which one is on the path does not matter. */
function fetched(name: keyof typeof programPaths): string | undefined {
  const file = join(cacheDirectory(), programPaths[name]);
  return existsSync(file) ? file : undefined;
}

export const findGh = (): string | undefined => fetched('gh');
export const findHadolint = (): string | undefined => fetched('hadolint');

export const withoutGh =
  findGh() === undefined ? ' (skipped: there is no gh; `node scripts/programs.mjs` gets it)' : '';
export const withoutHadolint =
  findHadolint() === undefined ? ' (skipped: there is no hadolint; `node scripts/programs.mjs` gets it)' : '';
