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
