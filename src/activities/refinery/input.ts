import { ApplicationFailure } from '@temporalio/activity';
import { z } from 'zod';
import { branchProblem, failureTypes, limits, mergeStrategies, repoProblem, shaProblem } from '../../contract/index.js';
import type { EnsureBranchInput, MergeInput, MergeStrategy } from '../../contract/index.js';

const guarded = (problemOf: (text: string) => string | undefined): z.ZodString =>
  z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/**
 * Becomes a folder's name and part of a ref: no dots, so that it is neither a parent folder nor one of git's own files.
 */
const name = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .regex(/^[a-z0-9][a-z0-9_-]*$/i, 'only letters, digits, dashes and underscores, beginning with a letter or digit');
const repo = guarded(repoProblem);
const branch = guarded(branchProblem);
const sha = guarded(shaProblem);

const merge = z.object({
  rig: name(100),
  repo,
  request: z.object({
    // `convoy-` and a convoy's id, at the longest.
    item: name(limits.beadIdChars + 20),
    workflowId: z.string().max(300),
    branch,
    sha,
    // Empty: the remote's default branch.
    target: z.union([z.literal(''), branch]),
    priority: z.number(),
    since: z.number(),
    title: z.string().max(limits.titleChars * 2),
  }),
  strategy: z.enum(mergeStrategies as readonly [MergeStrategy, ...MergeStrategy[]]),
  checks: z
    .array(
      z.object({
        name: z.string().trim().min(1).max(100),
        command: z.string().trim().min(1).max(20_000),
        // Above 24 days a timer of Node would fire at once.
        timeout: z
          .number()
          .int()
          .min(1)
          .max(24 * 24 * 3_600_000),
      }),
    )
    .max(100),
  withdrawn: z.boolean().optional(),
});

const ensureBranch = z.object({ repo, branch, from: branch.optional() });

const schemas = { merge, ensureBranch };
interface Inputs {
  merge: MergeInput;
  ensureBranch: EnsureBranchInput;
}

/**
 * Checks what a refinery's activity was given: it ends up in paths, refs and command lines.
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
