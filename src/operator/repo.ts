import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { repoProblem, repoTokenProblem } from '../contract/index.js';
import { usageError } from './cli-error.js';
import { requireWhole, readLocalRepository } from './local-repository.js';
import type { LocalRepository } from './local-repository.js';

/** A repository as a person named it. */
export interface NamedRepository {
  /** As the bead keeps it: a URL or an absolute path. */
  repo: string;
  /** What it is like, when it is a path on this machine. */
  local?: LocalRepository;
}

/**
 * What a person typed as a repository, and what it is like where it can be looked at: one that agents cannot work from
 * is refused before anything is started.
 * @throws CliError (usage)
 */
export async function namedRepository(given: string, cwd: string): Promise<NamedRepository> {
  const repo = repoOf(given, cwd);
  if (!isAbsolute(repo)) return { repo };
  const local = await readLocalRepository(repo);
  requireWhole(local);
  return { repo, local };
}

/**
 * What a person typed as a repository, as the bead keeps it. A path is made absolute, since the worker runs elsewhere,
 * and must be a repository here; `file://…` is taken as it is, for workers that see another file system.
 * @throws CliError (usage)
 */
export function repoOf(given: string, cwd: string): string {
  const isPath = /^\.{0,2}\//.test(given) || given === '.' || given === '..';
  const isBarePath = !isPath && !given.startsWith('-') && !given.includes(':') && existsSync(resolve(cwd, given));
  if (!isPath && !isBarePath) {
    const problem = repoProblem(given) ?? repoTokenProblem(given);
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
