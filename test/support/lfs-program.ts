import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * Looks for `git-lfs` on the path, and where `go install github.com/git-lfs/git-lfs/v3@v3.6.1` puts it, which needs no
 * root.
 * @returns its path, or undefined where there is none.
 */
export const findLfs = (): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'bin')]
    .map((folder) => join(folder, 'git-lfs'))
    .find((file) => existsSync(file));

/** For the name of a test that is skipped without it. */
export const withoutLfs =
  findLfs() === undefined ? ' (skipped: there is no git-lfs; go install github.com/git-lfs/git-lfs/v3@v3.6.1)' : '';
