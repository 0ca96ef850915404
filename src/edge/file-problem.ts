/** A failure of the file system in a sentence, and what to do about it. */
export interface FileProblem {
  message: string;
  next: string;
}

/** What the codes that a wrong path, a wrong owner or a full disk lead to mean; `%` is the path. */
const known: Readonly<Record<string, FileProblem>> = {
  ENOSPC: {
    message: 'no space is left on the disk',
    next: 'free some space; `heartbead doctor` shows where the state directory is',
  },
  EACCES: {
    message: 'permission denied%',
    next: 'check the owner of that path, or set HEARTBEAD_HOME to a directory of your own',
  },
  EROFS: {
    message: 'the file system is read-only%',
    next: 'set HEARTBEAD_HOME to a directory that can be written',
  },
  ENOTDIR: {
    message: 'a file stands where a directory is needed%',
    next: 'correct the path, or set HEARTBEAD_HOME to a directory of your own',
  },
  EISDIR: {
    message: 'a directory stands where a file is needed%',
    next: 'correct the path, or put the directory elsewhere',
  },
};
/** What else the same is called. */
const alike: Readonly<Record<string, string>> = { EPERM: 'EACCES', EEXIST: 'ENOTDIR', EDQUOT: 'ENOSPC' };

/** @returns what a failed call of the file system means to a person, or undefined when it is another failure. */
export function fileProblem(error: unknown): FileProblem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = '', path } = error as NodeJS.ErrnoException;
  const name = alike[code] ?? code;
  const found = Object.hasOwn(known, name) ? known[name] : undefined;
  return found && { ...found, message: found.message.replace('%', () => (path === undefined ? '' : `: ${path}`)) };
}
