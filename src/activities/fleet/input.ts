import { z } from 'zod';
import { agentCells, limits } from '../../contract/index.js';
import type {
  AgentSpec,
  FleetActivities,
  LookAtBranchInput,
  LookAtWorkflowsInput,
  StartBeadInput,
} from '../../contract/index.js';
import { beadId, branch, repo, sha, title } from '../../edge/schemas.js';
import type { Fields } from '../../edge/schemas.js';
import { inputReader } from '../read-input.js';
import type { InputsOf } from '../read-input.js';

/** Wider than what `startAgent` takes: the bead itself says, in its own status, what is wrong with its agent. */
const agent: z.ZodType<AgentSpec> = z.object({
  adapter: z.string().min(1).max(50),
  command: z.string().max(20_000).optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  env: z.array(z.string()).max(100).optional(),
  network: z.array(z.string().max(300)).max(500).optional(),
  cell: z.enum(agentCells).optional(),
} satisfies Fields<AgentSpec>);

const startBead: z.ZodType<StartBeadInput> = z.object({
  convoy: beadId,
  bead: beadId,
  title,
  body: z.string().max(limits.bodyBytes).optional(),
  rig: beadId,
  repo,
  priority: z.number().int().min(1).max(5),
  agent,
  base: branch.optional(),
  target: branch.optional(),
  baseSha: sha.optional(),
} satisfies Fields<StartBeadInput>);

const lookAtWorkflows: z.ZodType<LookAtWorkflowsInput> = z.object({
  workflowIds: z.array(z.string().min(1).max(1_000)).max(1_000),
  reports: z.boolean().optional(),
} satisfies Fields<LookAtWorkflowsInput>);

const lookAtBranch: z.ZodType<LookAtBranchInput> = z.object({
  repo,
  // Empty: the remote's default branch.
  branch: z.union([z.literal(''), branch]),
  contains: z.array(sha).max(1_000),
} satisfies Fields<LookAtBranchInput>);

/** Checks what an activity of a rig or a convoy was given. */
export const readInput = inputReader<InputsOf<FleetActivities>>({
  startBead,
  lookAtWorkflows,
  readRig: z.object({ rig: beadId }),
  lookAtBranch,
});
