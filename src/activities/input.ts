import { z } from 'zod';
import {
  agentCells,
  destinationProblem,
  bodyProblem,
  commandProblem,
  limits,
  outcomes,
  readClocks,
  startModes,
  vouchKeyPattern,
} from '../contract/index.js';
import type {
  Activities,
  AgentSession,
  AgentSpec,
  Clocks,
  DeliverInput,
  HostAttemptInput,
  PauseAttemptInput,
  StartAgentInput,
  OfferWorkInput,
  StopAttemptInput,
  Usage,
  VerifyWorkInput,
} from '../contract/index.js';
import {
  attemptId,
  beadId,
  branch,
  checkpoint,
  guarded,
  keptText,
  messageOf,
  repo,
  sha,
  title,
  variableName,
  workspace,
} from '../edge/schemas.js';
import type { Fields } from '../edge/schemas.js';
import { inputReader } from './read-input.js';
import type { InputsOf } from './read-input.js';

const milliseconds = z.number().positive();
const clocksOfToday: z.ZodType<Clocks> = z.object({
  beatEvery: milliseconds,
  heartbeatTimeout: milliseconds,
  signalEvery: milliseconds,
  firstProgressWithin: milliseconds,
  stalledAfter: milliseconds,
  stopSilentAfter: milliseconds,
  adoptWithin: milliseconds,
  leaseFor: milliseconds,
  giveUpAfter: milliseconds,
  maxRuntime: milliseconds,
  checkpointEvery: milliseconds,
  stopGrace: milliseconds,
} satisfies Fields<Clocks>);
/** A workflow of an earlier build gives some by their former names. */
const clocks: z.ZodType<Clocks> = z.preprocess(
  (given) => (typeof given === 'object' && given !== null ? readClocks(given) : given),
  clocksOfToday,
);

const agent: z.ZodType<AgentSpec> = z.object({
  adapter: z.string().regex(/^[\w-]{1,50}$/, 'not the name of an adapter'),
  command: guarded((command) => (command === '' ? undefined : commandProblem(command))).optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  env: z.array(variableName).max(100).optional(),
  network: z.array(guarded(destinationProblem)).max(500).optional(),
  cell: z.enum(agentCells).optional(),
} satisfies Fields<AgentSpec>);

/** A count that the bead did not keep is zero. */
const count = z.number().default(0);
const usage: z.ZodType<Usage> = z.object({
  inputTokens: count,
  outputTokens: count,
  cachedTokens: count,
  costUsd: count,
  turns: count,
} satisfies Fields<Usage>);

const session: z.ZodType<AgentSession> = z.object({
  id: z.string().regex(/^[\w.:-]{1,200}$/, 'not the id of a session'),
  adapter: z.string(),
  attempt: attemptId,
  host: z.string(),
  usage: usage.optional(),
} satisfies Fields<AgentSession>);

const message = messageOf(keptText);

const startAgent: z.ZodType<StartAgentInput> = z.object({
  bead: beadId,
  attempt: attemptId,
  number: z.number().int().positive(),
  mode: z.enum(startModes),
  title,
  body: guarded((body) => bodyProblem(body, Buffer.byteLength(body))),
  repo,
  base: branch.optional(),
  baseSha: sha.optional(),
  checkpoint: checkpoint.optional(),
  began: sha.optional(),
  agent,
  rig: z.string().max(60).optional(),
  retriedAt: z.number().optional(),
  clocks,
  notes: z.array(keptText).max(100),
  messages: z.array(message).max(limits.messagesKept * 2),
  // A conversation that cannot be read is no reason to refuse the attempt: it begins a new one.
  session: session.optional().catch(undefined),
  workspace: workspace.optional(),
} satisfies Fields<StartAgentInput>);

const verifyWork: z.ZodType<VerifyWorkInput> = z.object({
  bead: beadId,
  attempt: attemptId,
  repo,
  base: branch.optional(),
  baseSha: sha.optional(),
  branch,
  sha: sha.optional(),
  vouchKey: z.string().regex(vouchKeyPattern).optional(),
} satisfies Fields<VerifyWorkInput>);

const hostAttempt = { bead: beadId, attempt: attemptId, repo } satisfies Fields<HostAttemptInput>;
const stopAttempt: z.ZodType<StopAttemptInput> = z.object({
  ...hostAttempt,
  outcome: z.enum(outcomes),
  reason: keptText,
} satisfies Fields<StopAttemptInput>);
const offerWork: z.ZodType<OfferWorkInput> = z.object({
  ...hostAttempt,
  sha,
} satisfies Fields<OfferWorkInput>);
const pauseAttempt: z.ZodType<PauseAttemptInput> = z.object({
  ...hostAttempt,
  paused: z.boolean(),
} satisfies Fields<PauseAttemptInput>);
const deliverMessage: z.ZodType<DeliverInput> = z.object({
  ...hostAttempt,
  message,
} satisfies Fields<DeliverInput>);

/** Checks what an activity of an attempt was given. */
export const readInput = inputReader<InputsOf<Activities>>({
  startAgent,
  verifyWork,
  stopAttempt,
  offerWork,
  pauseAttempt,
  deliverMessage,
});
