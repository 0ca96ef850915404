import { fileProblem } from '../edge/file-problem.js';
import { CliError, exitCodes } from '../operator/cli-error.js';
import type { ExitCode } from '../operator/cli-error.js';

export { CliError, exitCodes, failure, usageError } from '../operator/cli-error.js';
export type { ExitCode } from '../operator/cli-error.js';

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
export function errorReport(error: unknown): ErrorReport {
  if (error instanceof CliError) return { code: error.code, message: error.message, next: error.next };
  if (!(error instanceof Error)) return { code: exitCodes.failed, message: `unexpected failure: ${String(error)}` };
  const next = (error as { next?: unknown }).next;
  if (typeof next === 'string') return { code: codeOfName(error.name), message: error.message, next };
  if (wordedErrors.has(error.name)) return { code: exitCodes.failed, message: error.message };
  const system = fileProblem(error);
  if (system !== undefined) return { code: exitCodes.failed, ...system };
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
