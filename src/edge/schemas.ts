/**
 * What the zod schemas at the edges share: activities, sockets, settings files and the CLI check with the same rules,
 * and say the same sentences, as the workflows do.
 * @module
 */
import { z } from 'zod';
import {
  attemptIdProblem,
  beadIdProblem,
  branchProblem,
  hostPathProblem,
  limits,
  litterLimits,
  litterProblem,
  messageSenders,
  nulProblem,
  portLimits,
  refPrefixProblem,
  repoProblem,
  savePolicies,
  shaProblem,
  titleProblem,
  treePathProblem,
} from '../contract/index.js';
import type { Checkpoint, CopiedFile, Message, Ports, Saves, SetupStep, Workspace } from '../contract/index.js';

/**
 * A schema for each field of T, optional ones included. zod drops what a schema does not name, without a word; held
 * against this type (`satisfies Fields<T>`) a schema does not compile until it has decided about a new field.
 */
export type Fields<T> = { [K in keyof T]-?: z.ZodType<T[K]> };

/** A string that passes one of the contract's guards. */
export const guarded = (problemOf: (text: string) => string | undefined): z.ZodString =>
  z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** The name of a variable, never its value. */
export const variableName = z.string().regex(/^[A-Za-z_]\w*$/, 'not the name of a variable');

export const beadId = guarded(beadIdProblem);
export const attemptId = guarded(attemptIdProblem);
export const title = guarded(titleProblem);
export const repo = guarded(repoProblem);
export const branch = guarded(branchProblem);
export const sha = guarded(shaProblem);

export const checkpoint: z.ZodType<Checkpoint> = z.object({
  sha,
  ref: z.string().regex(/^refs\/[\w./-]{1,300}$/, 'not a full ref name'),
  wip: z.boolean(),
  gained: z.boolean().optional(),
} satisfies Fields<Checkpoint>);

/** Above 24 days a timer of Node would fire at once. */
export const timeLimit = z
  .number()
  .int()
  .min(1)
  .max(24 * 24 * 3_600_000);

export const workspace: z.ZodType<Workspace> = z.object({
  setup: z
    .array(z.object({ command: z.string().trim().min(1).max(20_000), timeout: timeLimit } satisfies Fields<SetupStep>))
    .max(20)
    .optional(),
  teardown: z
    .array(z.object({ command: z.string().trim().min(1).max(20_000), timeout: timeLimit } satisfies Fields<SetupStep>))
    .max(20)
    .optional(),
  copy: z
    .array(z.object({ from: guarded(hostPathProblem), to: guarded(treePathProblem) } satisfies Fields<CopiedFile>))
    .max(50)
    .optional(),
  saves: z
    .object({
      policy: z.enum(savePolicies).optional(),
      fileBytes: z.number().int().min(0).optional(),
      allBytes: z.number().int().min(0).optional(),
    } satisfies Fields<Saves>)
    .optional(),
  allowPush: z.boolean().optional(),
  signoff: z.boolean().optional(),
  refPrefix: guarded(refPrefixProblem).optional(),
  litter: z.array(guarded(litterProblem)).max(litterLimits.patterns).optional(),
  ports: z
    .object({
      base: z.number().int().min(portLimits.least).max(portLimits.most),
      count: z.number().int().min(1).max(portLimits.count),
    } satisfies Fields<Ports>)
    .optional(),
} satisfies Fields<Workspace>);

/** A message may carry more than these four fields: the bead keeps its own notes on it, which are dropped here. */
export const messageOf = (text: z.ZodType<string>): z.ZodType<Message> =>
  z.object({
    id: z.string().min(1).max(200),
    text,
    from: z.enum(messageSenders),
    at: z.number(),
  } satisfies Fields<Message>);

/** Text of an agent or of an operator that a bead keeps: twice the limit, since what is clipped says so. */
export const keptText = guarded((text) => nulProblem(text, 'a text')).max(limits.textChars * 2);
