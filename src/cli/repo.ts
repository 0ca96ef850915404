import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { repoProblem } from '../contract/index.js';
import { usageError } from './exit.js';

/**
 * What a person typed as a repository, as the bead keeps it. A path is made absolute, since the worker runs elsewhere,
 * and must be a repository here; `file://…` is taken as it is, for workers that see another file system.
 * @throws CliError (usage)
 */
export function repoOf(given: string, cwd: string): string {
  const isPath = /^\.{0,2}\//.test(given) || given === '.' || given === '..';
  const isBarePath = !isPath && !given.startsWith('-') && !given.includes(':') && existsSync(resolve(cwd, given));
  if (!isPath && !isBarePath) {
    const problem = repoProblem(given);
    if (problem !== undefined)
      throw usageError(problem, 'give --repo a URL (https, ssh, git, file) or the path of a repository');
    return given;
  }
  const path = resolve(cwd, given);
  const problem = repoProblem(path);
  if (problem !== undefined) throw usageError(problem);
  if (!existsSync(path)) throw usageError(`there is nothing at ${path}`, 'check the path given to --repo');
  if (!isRepository(path))
    throw usageError(
      `${path} is not a git repository`,
      'give --repo the top of a repository (or run `git init` and commit something there)',
    );
  return path;
}

/** A work tree has `.git` (a file in linked worktrees); a bare repository has its parts at the top. */
function isRepository(path: string): boolean {
  if (!statSync(path).isDirectory()) return false;
  return existsSync(join(path, '.git')) || ['HEAD', 'objects', 'refs'].every((part) => existsSync(join(path, part)));
}
