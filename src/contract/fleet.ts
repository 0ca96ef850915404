/** The activities that convoys and rigs ask for. Names are wire format. @module */
import type { BeadReport } from './convoy.js';
import type { MergeInput, MergeOutcome, MergeStrategy } from './rig.js';
import type { AgentSpec } from './types.js';

/** Start one bead of a convoy, as a workflow of its own. */
export interface StartBeadInput {
  convoy: string;
  /** The bead's own id, `<convoy>-<id>`. */
  bead: string;
  title: string;
  body?: string;
  agent: AgentSpec;
  priority: number;
  rig: string;
  repo: string;
  /** Branch to start from and to land on; the rig's own choice when absent. */
  base?: string;
  target?: string;
  /** A commit of the target that has the work of all beads it needs; the tip of its base when absent. */
  baseSha?: string;
}
export interface StartBeadResult {
  /** How the bead stands, where one of this convoy was there already. */
  report?: BeadReport;
}

export interface LookAtWorkflowsInput {
  workflowIds: string[];
  /** Also ask beads that have ended how they did; a word of theirs may have been lost. */
  reports?: boolean;
}
/**
 * `status` in the server's words: `RUNNING`, `COMPLETED`, `TERMINATED`, `NOT_FOUND` …. A workflow that went on in a new
 * run is running.
 */
export interface WorkflowLook {
  workflowId: string;
  running: boolean;
  status: string;
  report?: BeadReport;
}

/** What a convoy has to know of its rig before it starts. */
export interface RigFacts {
  repo: string;
  base?: string;
  strategy: MergeStrategy;
  version: number;
}

export interface EnsureBranchInput {
  repo: string;
  branch: string;
  /** Where it begins; the remote's default branch when absent. */
  from?: string;
}
/**
 * Where a branch of the remote stands, and which of some commits it does not have. `sha` is absent when there is no
 * such branch.
 */
export interface LookAtBranchInput {
  repo: string;
  /** Empty: the remote's default branch. */
  branch: string;
  contains: string[];
}
export interface BranchLook {
  sha?: string;
  missing: string[];
}

/**
 * Activities of convoys and rigs on the main queue. Implementations: `src/activities/fleet` as
 * `createFleetActivities(deps)`.
 */
export interface FleetActivities {
  /** Idempotent by the bead's workflow id. Fails by `ForeignBead` when another bead has the id. */
  startBead(input: StartBeadInput): Promise<StartBeadResult>;
  lookAtWorkflows(input: LookAtWorkflowsInput): Promise<WorkflowLook[]>;
  /** Fails by `NoSuchRig`. */
  readRig(input: { rig: string }): Promise<RigFacts>;
  lookAtBranch(input: LookAtBranchInput): Promise<BranchLook>;
}

/** Activities on the merge queue: the refinery's. Implementations: `src/activities/refinery`. */
export interface RefineryActivities {
  /**
   * Merges one item; safe to be called again at any time, also while an earlier call still runs. Throws only what may
   * pass; what will not is an outcome. A cancellation is answered by one only while nothing has been pushed.
   */
  merge(input: MergeInput): Promise<MergeOutcome>;
  /** A branch that is there is left where it is. */
  ensureBranch(input: EnsureBranchInput): Promise<{ branch: string; sha: string; created: boolean }>;
}

/** Types of `ApplicationFailure` by which these activities tell what happened; never retried by the server. */
export const fleetFailureTypes = { foreignBead: 'ForeignBead', noSuchRig: 'NoSuchRig' } as const;
