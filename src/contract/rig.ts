/** The contract of rigs and their refinery. Names are wire format. All durations are milliseconds. @module */
import type { AgentSpec, Budgets, Clocks } from './types.js';

/** How the refinery brings a branch onto its target. `branch-only` pushes the branch and merges nothing; `pr` opens a pull request and waits for it. */
export type MergeStrategy = 'merge' | 'rebase' | 'squash' | 'branch-only' | 'pr';
export const mergeStrategies: readonly MergeStrategy[] = ['merge', 'rebase', 'squash', 'branch-only', 'pr'];

/** A shell command that must succeed in the merged tree before anything is pushed. */
export interface Check {
  /** Short name for people: `test`, `lint`. */
  name: string;
  /** Given to `sh -c` in the merged tree. */
  command: string;
  /** Ended, with all its processes, after so long. */
  timeout: number;
}

/** Settings of a rig. Changes apply to the next attempt and the next merge; `version` counts them. */
export interface RigSettings {
  repo: string;
  /** Branch that beads start from and land on; the remote's HEAD when absent. */
  base?: string;
  agent: AgentSpec;
  /** Running agents of this rig over all hosts. */
  maxAgents: number;
  checks: Check[];
  strategy: MergeStrategy;
  /** Whether a person must approve each bead before it is merged. */
  approval: boolean;
  clocks?: Partial<Clocks>;
  budgets?: Partial<Budgets>;
}

/** Input of the rig workflow. `carried` is set only by continue-as-new. */
export interface RigInput {
  rig: string;
  settings: RigSettings;
  carried?: RigState;
}

/** A bead that asks for leave to run an agent, or has it. */
export interface SlotRequest {
  bead: string;
  /** Workflow id, for telling it and for looking whether it still lives. */
  workflowId: string;
  priority: number;
  /** When it asked first: age decides among equals. */
  since: number;
}
export interface Grant extends SlotRequest {
  grantedAt: number;
  /** The one bead that an open breaker lets through. */
  probe: boolean;
}

/** One entry of the merge queue. */
export interface MergeRequest {
  /** Bead, or `convoy-<id>` for the landing of an integration branch. */
  item: string;
  workflowId: string;
  branch: string;
  /** The verified commit; a branch that moved since is no longer what was approved. */
  sha: string;
  target: string;
  priority: number;
  since: number;
  title: string;
}

/** Closed union: how the merge of one item ended. */
export type MergeOutcome =
  | { outcome: 'merged'; sha: string; target: string; strategy: MergeStrategy }
  | { outcome: 'conflict'; paths: string[]; target: string; targetSha: string }
  | { outcome: 'checks_failed'; check: string; logTail: string; timedOut: boolean }
  /** The target moved again and again, or the remote refuses the push; `retry` says whether trying again can help. */
  | { outcome: 'push_rejected'; reason: string; retry: boolean }
  | { outcome: 'error'; reason: string };

export interface MergeInput {
  rig: string;
  repo: string;
  request: MergeRequest;
  strategy: MergeStrategy;
  checks: Check[];
}

/** Infrastructure failures without any progress open it; one probe bead closes it. */
export interface Breaker {
  open: boolean;
  /** Losses in a row without progress, over all beads of the rig. */
  losses: number;
  reason?: string;
  openedAt?: number;
  /** When the next probe may run; grows with each failed probe. */
  probeAt?: number;
  opened: number;
}

/** The full state of a rig: the answer of its `state` query, and what continue-as-new carries over. */
export interface RigState {
  rig: string;
  settings: RigSettings;
  version: number;
  paused: boolean;
  removed: boolean;
  breaker: Breaker;
  grants: Grant[];
  waiting: SlotRequest[];
  /** In the order in which they will be merged, per target. */
  queue: MergeRequest[];
  /** At most one per target. */
  merging: (MergeRequest & { startedAt: number; tries: number })[];
  /** The last merges, newest last. */
  merged: { item: string; sha: string; target: string; at: number }[];
  story: { at: number; text: string }[];
  runs: number;
}

export const rigWorkflowId = (rig: string): string => `rig-${rig}`;
export const rigMessages = {
  /** Signals from beads. */
  askSlot: 'askSlot',
  returnSlot: 'returnSlot',
  enqueueMerge: 'enqueueMerge',
  withdrawMerge: 'withdrawMerge',
  /** Signals to beads and convoys. */
  granted: 'granted',
  mergeEnded: 'mergeEnded',
  /** Updates by operators. */
  configure: 'configure',
  pause: 'pause',
  resume: 'resume',
  remove: 'remove',
  state: 'state',
} as const;

/** Bead → rig: the bead's attempt is over (or the bead has ended). `progress`: the agent had got on; tells the breaker good from bad. */
export interface ReturnSlot {
  bead: string;
  infraLoss: boolean;
  progress: boolean;
}
/** Rig → bead: run one attempt, with these settings. */
export interface Granted {
  bead: string;
  version: number;
  settings: RigSettings;
}
/** Rig → bead or convoy. */
export interface MergeEnded {
  item: string;
  sha: string;
  result: MergeOutcome;
}
