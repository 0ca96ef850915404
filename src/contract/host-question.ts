/**
 * What anybody who reaches Temporal can ask of an attempt's host: pieces of its log, and its diff. The question is a
 * short workflow, whose only activity runs on the host's own queue; who asked deletes it with its answer.
 * @module
 */

/** The workflow type of a question. It is none of `workflowTypes`: it holds no state, and nobody lists or keeps it. */
export const hostQuestionType = 'hostQuestion';

/** @returns the workflow id of a question. */
export const hostQuestionId = (unique: string): string => `question-${unique}`;

/**
 * What there is to read of an attempt: what its agent printed, what its runner noted, what it changed against its base
 * (so far; or, without a worktree, what it pushed or saved last), the list of its files (one JSON object a line:
 * `path`, `bytes`), one of them, what the checks of its bead printed when the host merged it, over all attempts, and
 * which steps of its teardown failed (nothing when none did).
 */
export const attemptParts = ['agent-log', 'runner-log', 'diff', 'files', 'file', 'check-log', 'teardown'] as const;
export type AttemptPart = (typeof attemptParts)[number];

/** Bytes of a piece: with the third that base64 adds it stays below 256 kB. */
export const pieceBytes = 180 * 1024;
/** The longest that a host holds a question back for something new. */
export const mostWaitMs = 30_000;

export interface ReadAttemptInput {
  bead: string;
  attempt: string;
  part: AttemptPart;
  /** The rig whose refinery ran the checks, where a `check-log` is asked for. */
  rig?: string | undefined;
  /** The path in the working tree, where a `file` is asked for. */
  path?: string | undefined;
  /** Where the piece before this one ended, as it said. */
  after?: string | undefined;
  /**
   * Without `after`: of a log only the end, as much as a piece holds. A worker of an older version does not know of it
   * and begins at the start.
   */
  fromEnd?: boolean | undefined;
  /** The host answers only when there is something new, or after so long. Not more than `mostWaitMs`. */
  waitMs: number;
}

export interface AttemptPiece {
  /** Base64: a piece may end in the middle of a character. */
  data: string;
  /** For the next question. */
  next: string;
  /** There is more right now. */
  more: boolean;
  /** The attempt had ended before this piece was read: without `more` it is the last one. */
  ended: boolean;
  /** What `after` named is not there any more (a log rotated away, another diff): this piece is from the start. */
  restarted: boolean;
  /** Asked for the end alone, this piece leaves out what stands before it, and may begin within a line. */
  skipped?: boolean | undefined;
  /** When what was read of last changed, in milliseconds; of a `check-log`. */
  changedAt?: number | undefined;
}

/** What a host answers. Implementation: `src/activities/read-attempt.ts`. */
export interface HostAnswers {
  readAttempt(input: ReadAttemptInput): Promise<AttemptPiece>;
}

export interface HostQuestion {
  host: string;
  read: ReadAttemptInput;
}
