/** Caps on all that enters history or leaves it; the server's own limits are in the comments. @module */

export const limits = {
  /** Bytes of a bead's body (prompt). History keeps it once per run; the server refuses payloads over 2 MiB. */
  bodyBytes: 64 * 1024,
  /** Characters of a title; the server caps a summary at 400 bytes. */
  titleChars: 200,
  /** Characters of a reason, note or message that enters history. */
  textChars: 2_000,
  /** Characters of an armoured signature: that of an ed25519 key has some 300. */
  signatureChars: 1_000,
  /** Characters of an agent's command line: one argument of a program has at most 128 KiB, whatever the letters. */
  commandChars: 20_000,
  /** Characters of a bead id: `bead-<id>` must stay below 255 (SQL visibility), and refs and paths are made of it. */
  beadIdChars: 60,
  /** Attempts kept in full in the state; older ones are only counted. Keeps query answers and carried state small. */
  attemptsKept: 30,
  /** Lines of the bead's own story kept in the state. */
  storyKept: 60,
  /** Undelivered messages kept for the agent; more are refused. */
  messagesKept: 50,
  /** Continue as new when a run's history is that long, though the server suggests it at 4,096 events. */
  historyEvents: 3_500,
  /** Continue as new well before the server's 10,000 signals per run, of which nothing warns. */
  signalsPerRun: 8_000,
  /**
   * Milliseconds for one workflow task of a rig or a convoy; the server's own 10 s are too few for one that reads
   * 10,000 signals at one go on a busy machine (17 s seen), and what is late is done again from the beginning.
   */
  workflowTask: 30_000,
} as const;

/** The priority of a bead that names none: the middle of 1 (first) to 5 (last), as the server takes it. */
export const defaultPriority = 3;

/** @returns the text cut to `max` characters, marked when it was cut. */
export function clip(text: string, max: number = limits.textChars): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

/**
 * @returns the end of a text, at most `max` characters, marked when it was cut: of a log the last lines tell what went
 * wrong.
 */
export function clipStart(text: string, max: number = limits.textChars): string {
  return text.length <= max ? text : `…${text.slice(text.length - max + 1)}`;
}
