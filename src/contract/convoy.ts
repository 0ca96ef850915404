/** The contract of convoys. Names are wire format. @module */
import type { AgentSpec, BeadStatus } from './types.js';

/** What a failed or cancelled bead means for those that need it. It never counts as done. */
export type ConvoyPolicy = 'wait' | 'skip-dependants' | 'stop';
export const convoyPolicies: readonly ConvoyPolicy[] = ['wait', 'skip-dependants', 'stop'];

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
  /** `base`: every bead lands on the rig's base branch. `integration`: on `convoy/<id>`, which lands as a whole at the end. */
  target: 'base' | 'integration';
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
}

export type ConvoyStatus = 'staged' | 'running' | 'paused' | 'landing' | 'landed' | 'failed' | 'cancelled' | 'cancelling';

export interface ConvoyState {
  convoy: string;
  title: string;
  rig: string;
  policy: ConvoyPolicy;
  target: 'base' | 'integration';
  /** Branch on which its beads land. */
  targetBranch?: string;
  status: ConvoyStatus;
  reason: string;
  beads: ConvoyBeadState[];
  /** The landing of the integration branch. */
  landing?: { tries: number; lastReason?: string; sha?: string };
  createdAt: number;
  endedAt?: number;
  story: { at: number; text: string }[];
  runs: number;
}

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
  pause: 'pause',
  resume: 'resume',
} as const;

/** Bead → convoy. `sha` is the commit on the target, present when it was merged. */
export interface BeadReport {
  bead: string;
  status: BeadStatus;
  reason: string;
  merged: boolean;
  sha?: string;
}

/** More beads than this in one convoy are refused: its state has to fit well into one payload. */
export const maxConvoyBeads = 500;
