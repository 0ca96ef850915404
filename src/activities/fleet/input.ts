import { ApplicationFailure } from '@temporalio/activity';
import { z } from 'zod';
import {
  beadIdProblem,
  branchProblem,
  failureTypes,
  limits,
  repoProblem,
  shaProblem,
  titleProblem,
} from '../../contract/index.js';
import type { LookAtBranchInput, LookAtWorkflowsInput, StartBeadInput } from '../../contract/index.js';

const guarded = (problemOf: (text: string) => string | undefined): z.ZodString =>
  z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const id = guarded(beadIdProblem);
const repo = guarded(repoProblem);
const branch = guarded(branchProblem);
const sha = guarded(shaProblem);

const schemas = {
  startBead: z.object({
    convoy: id,
    bead: id,
    title: guarded(titleProblem),
    body: z.string().max(limits.bodyBytes).optional(),
    rig: id,
    repo,
    priority: z.number().int().min(1).max(5),
    agent: z.object({
      adapter: z.string().min(1).max(50),
      command: z.string().max(20_000).optional(),
      options: z.record(z.string(), z.unknown()).optional(),
      env: z.array(z.string()).max(100).optional(),
    }),
    base: branch.optional(),
    target: branch.optional(),
    baseSha: sha.optional(),
  }),
  lookAtWorkflows: z.object({
    workflowIds: z.array(z.string().min(1).max(1_000)).max(1_000),
    reports: z.boolean().optional(),
  }),
  readRig: z.object({ rig: id }),
  // Empty: the remote's default branch.
  lookAtBranch: z.object({ repo, branch: z.union([z.literal(''), branch]), contains: z.array(sha).max(1_000) }),
};

interface Inputs {
  startBead: StartBeadInput;
  lookAtWorkflows: LookAtWorkflowsInput;
  readRig: { rig: string };
  lookAtBranch: LookAtBranchInput;
}

/**
 * Checks what an activity was given, whoever scheduled it.
 * @throws ApplicationFailure `BadInput`, never retried, which names the field and the rule.
 */
export function readInput<K extends keyof Inputs>(activity: K, given: unknown): Inputs[K] {
  const parsed = schemas[activity].safeParse(given);
  if (parsed.success) return parsed.data as Inputs[K];
  const problems = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'input'}: ${message}`);
  throw ApplicationFailure.nonRetryable(
    `${activity} cannot use its input: ${problems.join('; ')}`,
    failureTypes.badInput,
  );
}
