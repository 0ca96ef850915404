import { ApplicationFailure } from '@temporalio/activity';
import { z } from 'zod';
import {
  attemptIdProblem,
  beadIdProblem,
  bodyProblem,
  branchProblem,
  failureTypes,
  limits,
  outcomes,
  repoProblem,
  shaProblem,
  titleProblem,
} from '../contract/index.js';
import type {
  DeliverInput,
  Outcome,
  PauseAttemptInput,
  StartAgentInput,
  StopAttemptInput,
  VerifyWorkInput,
} from '../contract/index.js';

/**
 * A string that passes one of the contract's guards: the same rule, and the same sentence, as in the CLI and the
 * workflow.
 */
const guarded = (problemOf: (text: string) => string | undefined): z.ZodString =>
  z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const bead = guarded(beadIdProblem);
const attempt = guarded(attemptIdProblem);
const repo = guarded(repoProblem);
const branch = guarded(branchProblem);
const sha = guarded(shaProblem);
const text = z.string().max(limits.textChars * 2);
const milliseconds = z.number().positive();

const message = z.object({
  id: z.string().min(1).max(200),
  text,
  from: z.enum(['operator', 'heartbead']),
  at: z.number(),
});
const checkpoint = z.object({
  sha,
  ref: z.string().regex(/^refs\/[\w./-]{1,300}$/, 'not a full ref name'),
  wip: z.boolean(),
});
const clocks = z.object({
  beatEvery: milliseconds,
  heartbeatTimeout: milliseconds,
  signalEvery: milliseconds,
  firstProgressWithin: milliseconds,
  stalledAfter: milliseconds,
  lostAfter: milliseconds,
  adoptWithin: milliseconds,
  orphanGrace: milliseconds,
  suspectGrace: milliseconds,
  maxRuntime: milliseconds,
  checkpointEvery: milliseconds,
  stopGrace: milliseconds,
});

const startAgent = z.object({
  bead,
  attempt,
  number: z.number().int().positive(),
  mode: z.enum(['start', 'adopt']),
  title: guarded(titleProblem),
  body: guarded((body) => bodyProblem(body, Buffer.byteLength(body))),
  repo,
  base: branch.optional(),
  baseSha: sha.optional(),
  checkpoint: checkpoint.optional(),
  agent: z.object({
    adapter: z.string().regex(/^[\w-]{1,50}$/, 'not the name of an adapter'),
    command: z.string().max(20_000).optional(),
    options: z.record(z.string(), z.unknown()).optional(),
    env: z
      .array(z.string().regex(/^[A-Za-z_]\w*$/, 'not the name of a variable'))
      .max(100)
      .optional(),
  }),
  clocks,
  notes: z.array(text).max(100),
  messages: z.array(message).max(limits.messagesKept * 2),
  session: z
    .object({
      id: z.string().regex(/^[\w.:-]{1,200}$/, 'not the id of a session'),
      adapter: z.string(),
      attempt,
      host: z.string(),
      usage: z.record(z.string(), z.number()).optional(),
    })
    .optional()
    .catch(undefined),
});

const hostAttempt = z.object({ bead, attempt, repo });
const schemas = {
  startAgent,
  verifyWork: z.object({
    bead,
    attempt,
    repo,
    base: branch.optional(),
    baseSha: sha.optional(),
    branch,
    sha: sha.optional(),
  }),
  stopAttempt: hostAttempt.extend({ outcome: z.enum(outcomes as readonly [Outcome, ...Outcome[]]), reason: text }),
  pauseAttempt: hostAttempt.extend({ paused: z.boolean() }),
  deliverMessage: hostAttempt.extend({ message }),
};

interface Inputs {
  startAgent: StartAgentInput;
  verifyWork: VerifyWorkInput;
  stopAttempt: StopAttemptInput;
  pauseAttempt: PauseAttemptInput;
  deliverMessage: DeliverInput;
}

/**
 * Checks what an activity was given. Everything ends up in paths, refs and command lines here, whoever scheduled it.
 * @throws ApplicationFailure `BadInput`, never retried, which names the field and the rule.
 */
export function readInput<K extends keyof Inputs>(activity: K, given: unknown): Inputs[K] {
  const parsed = schemas[activity].safeParse(given);
  if (parsed.success) return parsed.data as Inputs[K];
  const problems = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message: problem }) => `${path.join('.') || 'input'}: ${problem}`);
  throw ApplicationFailure.nonRetryable(
    `${activity} cannot use its input: ${problems.join('; ')}`,
    failureTypes.badInput,
  );
}
