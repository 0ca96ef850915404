/** The contract of convoys. Names are wire format. @module */
import type { MergeStrategy } from './rig.js';
import type { AgentSpec, BeadStatus, StoryLine } from './types.js';

/** What a failed or cancelled bead means for those that need it. It never counts as done. */
export const convoyPolicies = ['wait', 'skip-dependants', 'stop'] as const;
export type ConvoyPolicy = (typeof convoyPolicies)[number];

/**
 * `base`: every bead lands on the rig's base branch. `integration`: on `convoy/<id>`, which lands as a whole at the
 * end.
 */
export const convoyTargets = ['base', 'integration'] as const;
export type ConvoyTarget = (typeof convoyTargets)[number];

/** One bead of a convoy as its file names it. */
export interface ConvoyBead {
  /** Unique within the convoy; the bead's own id is `<convoy>-<id>`. */
  id: string;
  title: string;
  body?: string;
  /** Ids of beads of this convoy that must be merged first. */
  needs: string[];
  priority?: number;
  agent?: AgentSpec;
}

/** A convoy as its file describes it (checked by zod at the edge, and by `convoyProblem` everywhere). */
export interface ConvoySpec {
  convoy: string;
  title: string;
  rig: string;
  beads: ConvoyBead[];
  policy: ConvoyPolicy;
  target: ConvoyTarget;
  /** Staged: nothing starts before `start`. */
  staged: boolean;
}

export interface ConvoyInput {
  spec: ConvoySpec;
  carried?: ConvoyState;
}

/** Where a bead of a convoy stands, seen from the convoy. `merged` alone satisfies those that need it. */
export type ConvoyBeadStatus = 'pending' | 'starting' | 'running' | 'merged' | 'failed' | 'cancelled' | 'skipped';

export interface ConvoyBeadState extends ConvoyBead {
  status: ConvoyBeadStatus;
  /** The bead's own status, as it last reported. */
  bead?: BeadStatus;
  /** Why it is where it is. */
  reason?: string;
  /** The commit on the target, once merged. */
  sha?: string;
  startedAt?: number;
  endedAt?: number;
  /** An operator takes it out of the convoy: it leaves the list as soon as its agent is gone. */
  removing?: boolean;
  /** It has been told to cancel. */
  cancelTold?: boolean;
}

/** Where the landing of an integration branch stands. `stuck` waits for a person's `resume`. */
export interface ConvoyLanding {
  step: 'wanted' | 'queued' | 'verifying' | 'stuck';
  tries: number;
  lastReason?: string;
  /** The tip of the integration branch that the rig has in its merge queue. */
  queuedSha?: string;
  /** A cancel has asked the rig to let go. */
  withdrawTold?: boolean;
  /** The commit on the rig's base branch, once merged. */
  sha?: string;
  target?: string;
}

export type ConvoyStatus =
  'staged' | 'running' | 'paused' | 'landing' | 'landed' | 'failed' | 'cancelled' | 'cancelling';

export interface ConvoyState {
  convoy: string;
  title: string;
  rig: string;
  policy: ConvoyPolicy;
  target: ConvoyTarget;
  /** Branch on which its beads land. Fixed when the convoy starts; absent: the rig's own choice. */
  targetBranch?: string;
  /** Repository and base branch of the rig, as they were when the convoy started. */
  repo?: string;
  base?: string;
  strategy?: MergeStrategy;
  /** The commit of the base at which the integration branch was made. */
  began?: string;
  /** The rig has been asked, and the integration branch exists: beads may start. */
  prepared: boolean;
  /** Why the preparation failed; `resume` tries it again. */
  trouble?: string;
  status: ConvoyStatus;
  /** One sentence: why it is in this status, or whom it waits for. */
  reason: string;
  /** Nothing starts before `start`. */
  staged: boolean;
  /** An operator's pause: nothing new starts, what runs goes on. */
  paused: boolean;
  /** Set by a cancel, or by the policy `stop`; nothing starts any more. */
  ending?: { as: 'cancelled' | 'failed'; reason: string };
  beads: ConvoyBeadState[];
  /** The landing of the integration branch. */
  landing?: ConvoyLanding;
  /** Set when somebody should look: `blocked`. */
  attention?: 'blocked';
  createdAt: number;
  endedAt?: number;
  /** Dropped and counted: reports of unknown or removed beads, messages that could not be read. */
  strays: number;
  malformed: number;
  story: StoryLine[];
  runs: number;
}

/** Answer of the `state` query: the state, and what was computed from it at the moment of the answer. */
export interface ConvoyView extends ConvoyState {
  now: number;
  progress: ConvoyProgress;
  /** For each bead that has not ended: what it waits for. */
  waiting: { id: string; text: string }[];
  /** The whole would not fit into an answer: it has no bodies and agents of beads, and short reasons. */
  shortened?: true;
}

/** How many beads are where; they add up to `total`. */
export type ConvoyProgress = Record<ConvoyBeadStatus | 'total', number>;

export interface ConvoyResult {
  status: 'landed' | 'failed';
  merged: string[];
  notMerged: { id: string; status: ConvoyBeadStatus; reason: string }[];
  sha?: string;
}

export const convoyWorkflowId = (convoy: string): string => `convoy-${convoy}`;
/** @returns the id of a convoy's bead as a bead of its own. */
export const convoyBeadId = (convoy: string, id: string): string => `${convoy}-${id}`;

export const convoyMessages = {
  /** Signal from a bead: how it stands now (on each change that matters to the convoy) or how it ended. */
  beadReport: 'beadReport',
  state: 'state',
  start: 'start',
  addBead: 'addBead',
  removeBead: 'removeBead',
  /** Start a failed or cancelled bead again, as a new workflow. */
  retryBead: 'retryBead',
  pause: 'pause',
  resume: 'resume',
} as const;

/** Payload of the `addBead` update. */
export interface AddBead {
  bead: ConvoyBead;
}
/** Payload of the `retryBead` update. */
export interface RetryBead {
  id: string;
}
/** Payload of the `removeBead` update. */
export interface RemoveBead {
  id: string;
  /** Those that need it do so no longer; without this it is refused while there are any. */
  release?: boolean;
}

/** Bead → convoy. `sha` is the commit on the target, present when it was merged. */
export interface BeadReport {
  bead: string;
  status: BeadStatus;
  reason: string;
  merged: boolean;
  sha?: string;
}

/** More beads than this in one convoy are refused: its state has to fit well into one payload. */
export const maxConvoyBeads = 1_000;
/**
 * Bytes of all titles, bodies and needs together: half of the server's 2 MiB for one payload, since names, reasons and
 * commits come on top.
 */
export const maxConvoyBytes = 1_000_000;
/** The branch on which the beads of a convoy with an integration branch land. */
export const integrationBranch = (convoy: string): string => `convoy/${convoy}`;
