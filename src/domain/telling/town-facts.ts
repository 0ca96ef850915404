/**
 * What is known of a town at one moment, put together by whoever asks; the decisions on it are in `problems.ts` and
 * `why-not.ts`. @module
 */
import type { BeadView, ConvoyView, RigView } from '../../contract/index.js';

/** A bead as it was found. Without a view it did not answer. */
export interface BeadFact {
  bead: string;
  /** As last published, which is a moment late: only for beads that do not answer. */
  status: string;
  view?: BeadView;
  /** There was no time left to ask it: that it has no view says nothing. */
  unasked?: true;
}
export interface ConvoyFact {
  convoy: string;
  view?: ConvoyView;
}
export interface RigFact {
  rig: string;
  view?: RigView;
}

/** How many were not looked at: those beyond the limits of a look, and without an answer in time. */
export interface LeftOut {
  beads: number;
  rigs: number;
  convoys: number;
  /** With attempts: whether they are out of reach is not known. */
  hosts: number;
}

/** Who works for the town, as the server sees it: ids of hosts whose worker polls now. */
export interface TownHosts {
  /** Poll the main queue: their worker is up. */
  up: string[];
  /** Poll the agents queue: they have a place free. A full host does not poll there. */
  free: string[];
  /** Poll the merge queue. */
  merging: string[];
  /** Hosts with an attempt now whose own queue nobody polls: out of reach. */
  silent: string[];
  /** Attempts that wait in the agents queue, as far as the server counts them. */
  queued?: number;
}

/** An attempt on this host whose folder cannot be read. */
export interface DamagedFact {
  bead: string;
  attempt: string;
  /** Names the file. */
  problem: string;
  /** The command that puts its folder aside. */
  setAside: string;
}

/** An attempt on this host after which a step of its rig's teardown failed. */
export interface TeardownFact {
  bead: string;
  attempt: string;
  /** Which steps failed, and how. */
  failed: string;
  /** The file with what they have printed. */
  log: string;
  /** The command that says that a person has seen to it. */
  settle: string;
}

/** An attempt on this host whose working tree stays, since the remote has not shown that it has all of it. */
export interface KeptTreeFact {
  bead: string;
  attempt: string;
  worktree: string;
  /** In milliseconds. */
  since: number;
  /** What is missing. */
  reason: string;
}

/** An attempt on this host whose bead the server does not know. */
export interface ForgottenFact {
  bead: string;
  attempt: string;
  /** Where its saves and its finished work are on the remote. */
  refs: string[];
  /** The command that puts its folder aside. */
  setAside: string;
}

/** An account of an agent on this host that its provider refuses. */
export interface RefusedAccountFact {
  host: string;
  agent: string;
  account: string;
  /** How many accounts the agent has there. */
  of: number;
  cause: 'rate_limited' | 'auth_failed' | 'out_of_credit';
  reason: string;
  since: number;
  /** When an attempt may try it again. */
  until: number;
}

export interface TownFacts {
  /** Milliseconds, of whoever asks. */
  now: number;
  taskQueue: string;
  beads: BeadFact[];
  /** There are more open beads than were looked at. */
  more: boolean;
  /** Absent where whoever asks has left nothing out. */
  left?: LeftOut;
  convoys: ConvoyFact[];
  rigs: RigFact[];
  hosts: TownHosts;
  /** On the disk of whoever asks, who may have looked there. */
  damaged?: DamagedFact[];
  /** Likewise. */
  forgotten?: ForgottenFact[];
  teardowns?: TeardownFact[];
  keptTrees?: KeptTreeFact[];
  refusedAccounts?: RefusedAccountFact[];
}
