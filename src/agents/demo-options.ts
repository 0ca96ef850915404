import { z } from 'zod';

const ms = z
  .number()
  .int()
  .min(0)
  .max(24 * 3_600_000);
const step = z.number().int().min(0).max(10_000);

/**
 * The script of the demo agent. What goes wrong by it goes wrong in the bead's first `misbehaveAttempts` attempts only,
 * so that a bead can be seen to recover.
 */
export const demoOptions = z.strictObject({
  /** Same seed, same work. */
  seed: z.number().int().default(1),
  steps: z.number().int().min(1).max(10_000).default(6),
  /** Length of a step. */
  stepMs: ms.default(500),
  /** Commits, spread evenly over the steps; 0: the agent reports done with nothing changed. */
  commits: step.default(3),
  /** Lines of output in a step. */
  chatter: z.number().int().min(0).max(10_000).default(2),
  /** Work of the host before the agent is spawned (part of the cold start), by `prepare`. */
  prepareMs: ms.default(0),
  /** Time before the agent's first sign. */
  slowStartMs: ms.default(0),
  /** Falls silent after that step… */
  silenceAfterStep: step.optional(),
  /** … for so long, or until a message comes when `wakeOnMessage` is set. */
  silenceMs: ms.default(60_000),
  wakeOnMessage: z.boolean().default(false),
  /**
   * Also writes its name into this file (a path in the repository) with its first commit: two beads that do conflict.
   */
  shared: z
    .string()
    .regex(/^[\w-]+(\/[\w.-]+)*$/)
    .optional(),
  /**
   * Work that is finished already is brought up to date with this branch of the remote; a conflict in `shared` is
   * resolved by keeping both names.
   */
  mergeFrom: z
    .string()
    .regex(/^[\w][\w./-]*$/)
    .optional(),
  /** Ends at the beginning of that step, uncommitted work in the tree, with `crashExitCode`. */
  crashAtStep: step.optional(),
  crashExitCode: z.number().int().min(1).max(255).default(3),
  /** Ends with status 0 after the last step, without a report. */
  exitWithoutReport: z.boolean().default(false),
  /** The same, and leaves uncommitted work. */
  dirtyExit: z.boolean().default(false),
  /** Reports done with uncommitted work in the tree, is refused, commits, and reports again. */
  dirtyDone: z.boolean().default(false),
  ignoreSigterm: z.boolean().default(false),
  /** Leaves a process in a session of its own behind. */
  leaveDaemon: z.boolean().default(false),
  /** Lives on after it has reported done. */
  lingerMs: ms.default(0),
  /** Asks for a person at the beginning of that step and ends. */
  askForHelpAtStep: step.optional(),
  /** Its provider refuses at the beginning of that step; ends with status 1. */
  rateLimitAtStep: step.optional(),
  retryAfterMs: ms.default(1_000),
  /** Its provider does not know it; ends with status 1. */
  authFails: z.boolean().default(false),
  misbehaveAttempts: z.number().int().min(0).default(1),
});

/** The script with its defaults filled in. */
export type DemoOptions = z.output<typeof demoOptions>;
