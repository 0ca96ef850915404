import { GitError } from './git-error.js';
import type { GitErrorKind } from './git-error.js';

/**
 * Turns errors of the file system into the same kind of error as git's own, so that callers decide by one thing.
 * @throws what the work threw, so turned.
 */
export async function tellingDiskFailures<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall, path } = error as NodeJS.ErrnoException;
    if (!(error instanceof Error) || error instanceof GitError || code === undefined || syscall === undefined)
      throw error;
    const where = path ?? 'the state directory';
    const [kind, message] = ((): [GitErrorKind, string] => {
      switch (code) {
        case 'ENOSPC':
        case 'EDQUOT':
          return ['no_space', `while ${doing}, the disk was full (${where}): free some space, then try again`];
        case 'EACCES':
        case 'EPERM':
        case 'EROFS':
          return [
            'other',
            `while ${doing}, ${where} could not be changed (${code}): give the user that runs the worker the ` +
              'right to write there',
          ];
        default:
          return [
            'other',
            `while ${doing}, the disk gave an error at ${where} (${code} from ${syscall}): look at that path`,
          ];
      }
    })();
    throw new GitError(kind, message, error.message, { cause: error });
  }
}
