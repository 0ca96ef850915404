import { z } from 'zod';
import { limits, mergeStrategies } from '../../contract/index.js';
import type {
  Check,
  EnsureBranchInput,
  MergeInput,
  MergeRequest,
  RefineryActivities,
  SignedApproval,
} from '../../contract/index.js';
import { branch, repo, sha, timeLimit, variableName, workspace } from '../../edge/schemas.js';
import type { Fields } from '../../edge/schemas.js';
import { inputReader } from '../read-input.js';
import type { InputsOf } from '../read-input.js';

/**
 * Becomes a folder's name and part of a ref: no dots, so that it is neither a parent folder nor one of git's own files.
 */
const name = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .regex(/^[a-z0-9][a-z0-9_-]*$/i, 'only letters, digits, dashes and underscores, beginning with a letter or digit');

const check: z.ZodType<Check> = z.object({
  name: z.string().trim().min(1).max(100),
  command: z.string().trim().min(1).max(limits.commandChars),
  timeout: timeLimit,
} satisfies Fields<Check>);

const signedApproval: z.ZodType<SignedApproval> = z.object({
  signature: z.string().max(limits.signatureChars),
  found: sha.optional(),
} satisfies Fields<SignedApproval>);

const request: z.ZodType<MergeRequest> = z.object({
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
  began: sha.optional(),
  approval: signedApproval.optional(),
} satisfies Fields<MergeRequest>);

const merge: z.ZodType<MergeInput> = z.object({
  rig: name(100),
  repo,
  request,
  strategy: z.enum(mergeStrategies),
  checks: z.array(check).max(100),
  workspace: workspace.optional(),
  env: z.array(variableName).max(100).optional(),
  withdrawn: z.boolean().optional(),
} satisfies Fields<MergeInput>);

const ensureBranch: z.ZodType<EnsureBranchInput> = z.object({
  repo,
  branch,
  from: branch.optional(),
} satisfies Fields<EnsureBranchInput>);

/** Checks what an activity of the refinery was given. */
export const readInput = inputReader<InputsOf<RefineryActivities>>({ merge, ensureBranch });
