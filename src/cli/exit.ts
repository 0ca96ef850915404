/** What a command's exit status means. Scripts rely on it: wire format. */
export const exitCodes = { fine: 0, failed: 1, usage: 2, notFound: 3, refused: 4 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/**
 * A failure that was foreseen: one clear sentence, and one next step where there is one. Never names a destructive
 * command to copy.
 */
export class CliError extends Error {
  readonly code: Exclude<ExitCode, 0>;
  readonly next: string | undefined;

  constructor({
    code,
    message,
    next,
    cause,
  }: {
    code: Exclude<ExitCode, 0>;
    message: string;
    next?: string;
    cause?: unknown;
  }) {
    super(message, { cause });
    this.name = 'CliError';
    this.code = code;
    this.next = next;
  }
}

export const usageError = (message: string, next?: string): CliError =>
  new CliError({ code: exitCodes.usage, message, next });
export const failure = (message: string, next?: string, cause?: unknown): CliError =>
  new CliError({ code: exitCodes.failed, message, cause, next });

/** What is told of an error: to people as two lines, to programs as one object. */
export interface ErrorReport {
  code: Exclude<ExitCode, 0>;
  message: string;
  next?: string;
}

/**
 * Turns anything that was thrown into a report. The client's errors are known by their name, so that commands which
 * need no server (`heartbead agent …`, called often) need not load it.
 */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof CliError) return { code: error.code, message: error.message, next: error.next };
  if (!(error instanceof Error)) return { code: exitCodes.failed, message: `unexpected failure: ${String(error)}` };
  const next = (error as { next?: unknown }).next;
  if (typeof next === 'string') return { code: codeOfName(error.name), message: error.message, next };
  if (wordedErrors.has(error.name)) return { code: exitCodes.failed, message: error.message };
  const system = error as NodeJS.ErrnoException;
  if (system.code === 'ENOSPC')
    return {
      code: exitCodes.failed,
      message: 'no space is left on the disk',
      next: 'free some space; `heartbead doctor` shows where the state directory is',
    };
  if (system.code === 'EACCES' || system.code === 'EPERM')
    return {
      code: exitCodes.failed,
      message: `permission denied${system.path === undefined ? '' : `: ${system.path}`}`,
      next: 'check the owner of that path, or set HEARTBEAD_HOME to a directory of your own',
    };
  const [first = 'unexpected failure'] = error.message.split('\n');
  return {
    code: exitCodes.failed,
    message: first,
    next: 'run it again with HEARTBEAD_DEBUG=1 to see where it happened',
  };
}

/**
 * Errors of other parts that are worded for the reader, next step included; some have several lines. Known by name for
 * the same reason.
 */
const wordedErrors = new Set([
  'ServerNotFound',
  'DevServerProblem',
  'SearchAttributesProblem',
  'WorkerLockHeldError',
  'GitError',
]);

function codeOfName(name: string): Exclude<ExitCode, 0> {
  switch (name) {
    case 'BeadNotFoundError':
    case 'FleetNotFoundError':
      return exitCodes.notFound;
    case 'BeadExistsError':
    case 'FleetExistsError':
    case 'FleetEndedError':
    case 'FleetRefusedError':
    case 'BeadEndedError':
    case 'BeadRefusedError':
      return exitCodes.refused;
    default:
      return exitCodes.failed;
  }
}
