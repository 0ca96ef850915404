/** The contract of rigs and their refinery. Names are wire format. All durations are milliseconds. @module */
import type { AgentSpec, Budgets, Clocks, Outcome, StoryLine, Workspace } from './types.js';

/**
 * How the refinery brings a branch onto its target. `branch-only` pushes the branch and merges nothing; `pr` opens a
 * pull request and waits for it.
 */
export const mergeStrategies = ['merge', 'rebase', 'squash', 'branch-only', 'pr'] as const;
export type MergeStrategy = (typeof mergeStrategies)[number];

/**
 * @returns who brings a branch onto its target. `refinery`: it merges and pushes, one item per target at a time.
 * `forge`: a person merges there, perhaps in days, so such an item holds no place. `nobody`: the work stays on its
 * branch.
 */
export function mergedBy(strategy: MergeStrategy): 'refinery' | 'forge' | 'nobody' {
  switch (strategy) {
    case 'merge':
    case 'rebase':
    case 'squash':
      return 'refinery';
    case 'pr':
      return 'forge';
    case 'branch-only':
      return 'nobody';
    default:
      return strategy satisfies never;
  }
}

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
export interface RigSettings extends Workspace {
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
  /**
   * Public keys (`ssh-ed25519 AAAA…`), by one of which an approval has to be signed. Once there are some, a change of
   * them is signed by one of them, too.
   */
  approvers?: string[];
  clocks?: Partial<Clocks>;
  budgets?: Partial<Budgets>;
  /** So many paid starts within an hour may lead to no verified work; then the rig starts no more. */
  startsPerHour?: number;
  /** US dollars that the attempts of an hour may cost, as their programs count them; then the rig starts no more. */
  usdPerHour?: number;
}

/**
 * Ends of an attempt whose cause is most likely not the bead's own: the next bead of its rig (or host) would meet the
 * same.
 */
export const sharedCauses = [
  'auth_failed',
  'out_of_credit',
  'not_installed',
  'setup_failed',
  'push_refused',
] as const satisfies readonly Outcome[];
export type SharedCause = (typeof sharedCauses)[number];

/** A cause for which a rig holds back further starts. `spend`: it has paid too much for too little. */
export interface RigStop {
  cause: SharedCause | 'spend';
  /** Requests of this agent are held (`GrantRequest.agent`); absent: all. */
  agent?: string;
  reason: string;
  /** Where it was met first. */
  host?: string;
  since: number;
  /** The beads that met it, the first one first. */
  met: MetBead[];
  /** Two beads have met it: it is nobody's own. */
  confirmed: boolean;
  /** When the next bead may find out whether it still holds; absent: when an operator says so. */
  probeAt?: number;
  /** Beads that have found out in vain. */
  probes: number;
  /** Agents have worked before they were refused, again and again: only one that ends otherwise proves it gone. */
  workIsNoProof?: boolean;
}

/** A cause that was taken for gone because an agent worked; until one has ended well it may only have seemed so. */
export interface OnTrial {
  cause: SharedCause | 'spend';
  agent?: string;
  /** When the cause was met: attempts that began earlier say nothing of what holds since. */
  since: number;
}

/** A bead that has met a shared cause. `again`: an operator has said since that it is mended. */
export interface MetBead {
  bead: string;
  workflowId: string;
  again?: boolean;
}

/** What attempts of one minute have cost; `starts` led to no verified work. */
export interface SpentMinute {
  minute: number;
  starts: number;
  usd: number;
}

/** Input of the rig workflow. `carried` is set only by continue-as-new. */
export interface RigInput {
  rig: string;
  settings: RigSettings;
  carried?: RigState;
}

/** A bead that asks for leave to run an agent, or has it. */
export interface GrantRequest {
  bead: string;
  /** Workflow id, for telling it and for looking whether it still lives. */
  workflowId: string;
  priority: number;
  /** When it asked first: age decides among equals. */
  since: number;
  /** Which agent it is for: `rig`, or a name for the bead's own, equal for equal ones. */
  agent?: string;
  /** An operator has asked for it. Not kept. */
  retried?: boolean;
}
export interface Grant extends GrantRequest {
  grantedAt: number;
  /** The one bead that an open breaker lets through. */
  probe: boolean;
  /** It was let through in spite of a stop, to find out whether the cause still holds. */
  ahead?: boolean;
  /** Whether the bead has been sent its `granted`. */
  told?: boolean;
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
  /** The commit of the target that the work began with; absent where it began on another branch. */
  began?: string;
  /** Where a person has signed the approval. */
  approval?: SignedApproval;
}

/** A signature of OpenSSH over what `beadApprovalText` says. */
export interface SignedApproval {
  signature: string;
  /** The commit of the target that had the work already when it was approved. */
  found?: string;
}

/** One entry of the merge queue, as the rig keeps it. */
export interface QueuedMerge extends MergeRequest {
  /** When it came into the queue; ageing counts from here, and not from `since`, which is the age of the bead. */
  queuedAt: number;
  /** Merges of it that have begun and led to no final outcome. */
  tries: number;
  /** After such a one it stands aside until then; others go ahead. */
  notBefore?: number;
  /** Why it was put back. */
  lastReason?: string;
}
export interface RunningMerge extends QueuedMerge {
  startedAt: number;
  /** With which it was begun; a change of the settings applies to the next one. */
  strategy: MergeStrategy;
  /** Nobody wants it any more; what became of it is still to be found out. */
  withdrawn?: boolean;
}

/** Closed union: how the merge of one item ended. */
export type MergeOutcome =
  /**
   * `foreign`: it was there already, and nothing says that the refinery brought it: somebody else pushed or merged it.
   */
  | { outcome: 'merged'; sha: string; target: string; strategy: MergeStrategy; foreign?: boolean }
  | { outcome: 'conflict'; paths: string[]; target: string; targetSha: string }
  /**
   * Branch and target have no commit in common: there is nothing that could be merged. `lost`: they have, but the work
   * builds on this commit, which the target had and has no more: a merge would bring back what was taken out.
   */
  | { outcome: 'unrelated'; target: string; targetSha: string; lost?: string }
  | { outcome: 'checks_failed'; check: string; logTail: string; timedOut: boolean }
  /** A reviewer wants changes; `text` is what reviewers have said there. */
  | { outcome: 'changes_requested'; url: string; text: string }
  /** The target moved again and again, or the remote refuses the push; `retry` says whether trying again can help. */
  | { outcome: 'push_rejected'; reason: string; retry: boolean }
  /** `approvers`: it lacks the approval of one of these keys, and nothing else. */
  | { outcome: 'error'; reason: string; approvers?: string[] };

export interface MergeInput {
  rig: string;
  repo: string;
  request: MergeRequest;
  strategy: MergeStrategy;
  checks: Check[];
  /** Made ready before the checks. */
  workspace?: Workspace;
  /** Names of the host's variables that the checks may see, beside those that every agent sees. */
  env?: string[];
  /**
   * Nobody wants the item any more: merge nothing, only say whether it is on its target already (`merged`), or not
   * (`error`).
   */
  withdrawn?: boolean;
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
  /** How often it has opened since there was progress; the cool-down grows with it. */
  opened: number;
}

/** What is still to be said to a bead or convoy; kept in the state so that no renewal and no crash loses it. */
export type RigNews =
  | { id: number; workflowId: string; signal: 'mergeEnded'; payload: MergeEnded }
  | { id: number; workflowId: string; signal: 'slotRefused'; payload: GrantRefused }
  | { id: number; workflowId: string; signal: 'causeGone'; payload: CauseGone };

/** The full state of a rig: the answer of its `state` query, and what continue-as-new carries over. */
export interface RigState {
  rig: string;
  settings: RigSettings;
  version: number;
  paused: boolean;
  removed: boolean;
  breaker: Breaker;
  /** Causes that beads have in common, for which further starts are held back. */
  stops?: RigStop[];
  /** Causes that agents seem to have got past (`RigStop.workIsNoProof`). */
  onTrial?: OnTrial[];
  /** The last hour, oldest first. */
  spent?: SpentMinute[];
  grants: Grant[];
  waiting: GrantRequest[];
  /** In the order in which they will be merged, per target. */
  queue: QueuedMerge[];
  /** At most one per target (of the strategy `pr`, where the forge merges, any number). */
  merging: RunningMerge[];
  /** The last merges, newest last. `from` is the commit that was asked for, `sha` the one on the target. */
  merged: { item: string; sha: string; target: string; at: number; from: string; strategy: MergeStrategy }[];
  /** The last items that did not get merged, newest last. */
  notMerged: {
    item: string;
    from: string;
    target: string;
    at: number;
    outcome: Exclude<MergeOutcome['outcome'], 'merged'>;
    reason: string;
  }[];
  news: RigNews[];
  /** All news so far; gives them their ids. */
  newsCount: number;
  /** Set when somebody should look. */
  attention?: 'breaker' | 'stopped' | 'merge';
  /** Messages that could not be read; dropped and counted. */
  malformed: number;
  story: StoryLine[];
  runs: number;
}

/** Answer of the `state` query. Of `news` it has the first few. */
export interface RigView extends RigState {
  now: number;
  /** How many news there are. Earlier builds do not say it, and have all of them in `news`. */
  untold?: number;
}

export const rigWorkflowId = (rig: string): string => `rig-${rig}`;
export const rigMessages = {
  /** Signals from beads. */
  askGrant: 'askSlot',
  returnGrant: 'returnSlot',
  /** A bead whose grant is a probe: its agent gets on. */
  probeProgress: 'probeProgress',
  enqueueMerge: 'enqueueMerge',
  withdrawMerge: 'withdrawMerge',
  /** Signals to beads and convoys. */
  granted: 'granted',
  mergeEnded: 'mergeEnded',
  /** To a bead that asks for a grant: it will not get one, since the rig is being removed, or too many wait. */
  grantRefused: 'slotRefused',
  /** To a bead that is blocked by a cause which other beads had, too: it is mended. */
  causeGone: 'causeGone',
  /**
   * Updates by operators: `configure` takes a part of the settings (null takes an optional one away), the others `{}`.
   */
  configure: 'configure',
  pause: 'pause',
  resume: 'resume',
  remove: 'remove',
  state: 'state',
} as const;

/**
 * Signals by the names that they will have. A rig *grants*, a host has *places*, and only the SDK has slots; but bead
 * and rig may run by different builds (an upgrade goes from workflow to workflow, and can be rolled back), so this
 * version still sends the former names, and hears both.
 */
export const comingSignalNames = {
  askSlot: 'askGrant',
  returnSlot: 'returnGrant',
  slotRefused: 'grantRefused',
} as const;

/**
 * Bead → rig: the bead's attempt is over (or the bead has ended). `progress`: the agent had got on; tells the breaker
 * good from bad.
 */
export interface ReturnGrant {
  bead: string;
  infraLoss: boolean;
  progress: boolean;
  end?: GrantEnd;
}
/** What the end of an attempt may mean for other beads of its rig. */
export interface GrantEnd {
  outcome: Outcome;
  reason: string;
  agent: string;
  host?: string;
  /** How far its agent got: `spawned` proves that it can be started, `progress` that it can work. */
  reached: 'nothing' | 'spawned' | 'progress';
  /** Paid starts of this bead, not told yet, that led to no verified work. */
  fruitless: number;
  /** What the attempt has cost, where its program tells it. */
  usd: number;
}
/** Rig → bead: run one attempt, with these settings. */
export interface Granted {
  bead: string;
  version: number;
  settings: RigSettings;
  /**
   * The breaker is open and this is the attempt that tries whether things are better: its first progress is worth a
   * `probeProgress`.
   */
  probe?: boolean;
  /** Others are held back by a cause that this attempt is to try: `probeProgress` is awaited. */
  ahead?: boolean;
}
/** Bead → rig: the agent of an attempt that tries a cause was spawned, or has shown progress. */
export interface ProbeProgress {
  bead: string;
  spawned?: boolean;
}
/** Rig → bead: what had blocked it, and others, is mended. `ordered`: an operator says so, or has changed the rig. */
export interface CauseGone {
  bead: string;
  ordered?: true | undefined;
}
/** Rig → bead. */
export interface GrantRefused {
  bead: string;
  reason: string;
  /** Too many wait; otherwise the rig is being removed. */
  full?: boolean;
}
/** Payload of the `configure` update. Absent keys stay as they are. */
export type RigChange = { [K in keyof RigSettings]?: RigSettings[K] | null };
/** What the update takes: `signature` is that of a present approver, where approvers change. */
export type ConfigureRig = RigChange & { signature?: string };
/** Bead or convoy → rig. `workflowId` is where the answer goes; the bead's own when absent. */
export interface WithdrawMerge {
  item: string;
  sha: string;
  workflowId?: string;
}
/** Payload of the `remove` update. Without `force` a rig that beads depend on refuses. */
export interface RemoveRig {
  force?: boolean;
}
/** What a removed rig returns. */
export interface RigResult {
  status: 'removed';
  reason: string;
}
/** Rig → bead or convoy. */
export interface MergeEnded {
  item: string;
  sha: string;
  result: MergeOutcome;
}
