import type { FoundSession } from '../agents/types.js';
import type { KeySource } from '../codec/index.js';
import type { CellPlan } from '../cell/index.js';
import type { AttemptResult, BeatPhase, Checkpoint, Message, Outcome, Usage } from '../contract/index.js';

/** How to reach the server: kept in `connection.json` (0600), never in argv or in an agent's environment. */
export interface RunnerConnection {
  address: string;
  namespace: string;
  apiKey?: string;
  /** True for TLS with the system's roots. Certificates and keys as base64 of the PEM text. */
  tls?:
    | boolean
    | { serverNameOverride?: string; serverRootCACertificate?: string; clientCertPair?: { crt: string; key: string } };
  metadata?: Record<string, string>;
  /** Where the keys of the town's payloads come from: a place, never a key. */
  keySource?: KeySource;
}

/** Ports that nobody else of the host has, from the first one on. */
export interface PortBlock {
  from: number;
  count: number;
}

/** What the host knows when the worktree is ready, kept in `setup.json` before the runner is spawned. */
export interface AttemptSetup {
  /** This host's id. */
  host: string;
  /** The commit of the base branch that the bead builds on: work counts when it is ahead of this one. */
  baseSha: string;
  /**
   * The newest commit of the base branch that the attempt's start has: finished work descends from it. Older than
   * `baseSha` when earlier work goes on; absent in folders that are older than this field.
   */
  rootSha?: string;
  /** The saved work that it goes on from, when it is not what the bead knew: a newer save of this host. */
  goesOnFrom?: string;
  /** Path of the bare mirror that the worktree belongs to. */
  mirror: string;
  /** Whether git knows in its worktree who commits there; absent in folders that are older than this field. */
  identified?: boolean;
  /** The conversation of an earlier attempt that goes on in this one. */
  resume?: FoundSession;
  /** Where its rig has ports to give. */
  ports?: PortBlock;
  /** How its agent is run; absent in folders that are older than this field. */
  cell?: CellPlan;
  /** The account that it uses, of those that its host has for the agent; absent: the user's own login. */
  account?: string;
}

/** A process of which we are sure: a bare pid may belong to somebody else by now. */
export interface ProcessIdentity {
  pid: number;
  /** From {@link processStartTime}. */
  startTime: string;
}

/** Where the runner stands. Before `spawning` no agent was ever there. */
export type RunnerState = 'fencing' | 'refused' | 'spawning' | 'running' | 'frozen' | 'paused' | 'stopping' | 'ended';

/** `runner.json`: written at every change of state, not at every beat. */
export interface RunnerRecord extends ProcessIdentity {
  startedAt: number;
  state: RunnerState;
  /** Unix sockets; outside of the attempt's folder when its path is too long for one. */
  sockets?: { control: string; agent: string };
  agent?: ProcessIdentity & { pgid: number; spawnedAt: number };
  /** Newest work known to be on the remote. */
  checkpoint?: Checkpoint;
  /** Work that the agent has called done, but the remote has not taken. */
  kept?: KeptWork;
  /**
   * The agent program's conversation, and what it has used, as far as it has told: the next attempt wants them also of
   * a dead runner.
   */
  session?: string;
  usage?: Usage;
}

/** Finished commits that lie on this host only, since the remote did not take them. */
export interface KeptWork {
  branch: string;
  sha: string;
  /** What the remote said, with the next step. */
  reason: string;
  /** The remote was out of order: nobody has to change anything. */
  mayPass: boolean;
  summary?: string;
}

/** `report.json`: the agent's own word on how it ended, recorded before it is answered. */
export type AgentReport =
  | { kind: 'done'; branch: string; sha: string; summary?: string; at: number }
  | { kind: 'no_changes'; sha: string; summary?: string; at: number }
  | { kind: 'escalated'; text: string; at: number };

/** Why the agent is stopped by SIGSTOP; it runs when there is no reason left. */
export type FreezeReason = 'lease' | 'activity' | 'operator';

/** Answer of the control socket's `status`. */
export interface RunnerStatus {
  bead: string;
  attempt: string;
  host: string;
  pid: number;
  state: RunnerState;
  phase: BeatPhase;
  /** As in the heartbeat details. */
  text: string;
  agent?: { pid: number; pgid: number; spawnedAt: number };
  /** Without a valid task token; waits for adoption. */
  orphan: boolean;
  frozenBy: FreezeReason[];
  /** Milliseconds since the request that renewed the lease was sent. */
  leaseAgeMs: number;
  /** When the agent showed progress last, by the clock of this host. */
  lastProgressAt?: number;
  activity?: string;
  checkpoint?: Checkpoint;
  /** Why the newest push failed; absent when it worked. */
  pushProblem?: string;
  /** Messages that the agent has not acknowledged. */
  unacknowledged: number;
  result?: AttemptResult;
}

/** How a spawn of the runner ended. Refused: no agent was spawned, and none will be by this runner. */
export type SpawnOutcome =
  | { fenced: true; pid: number }
  | {
      fenced: false;
      refused: string;
      because: 'token' | 'cancelled' | 'bead' | 'held' | 'ended' | 'unreachable' | 'failed';
    };

/** What a host knows of a runner that it has told to begin. */
export type BeginOutcome =
  | SpawnOutcome
  /** It answered nobody and was ended: it had no agent, and nobody else can get one by it. */
  | { fenced: false; because: 'mute'; refused: string }
  /** Nobody waits for it any longer: it has the token, goes on by itself, and may have an agent. */
  | { fenced: 'unknown'; pid: number };

/** Answer of the control socket's `adopt`. */
export type AdoptOutcome = { adopted: true } | { adopted: false; result: AttemptResult };

/** What a stop by the host asks for. */
export interface StopRequest {
  outcome: Outcome;
  reason: string;
}

/** Answer of the agent socket's `done`. */
export type DoneAnswer = { outcome: 'done'; branch: string; sha: string } | { outcome: 'no_changes'; sha: string };

/** Answer of the agent socket's `checkpoint`. `pushed` false: saved here, the push is tried again. */
export interface CheckpointAnswer {
  checkpoint: Checkpoint;
  pushed: boolean;
}

/** Answer of the agent socket's `messages`. */
export interface MessagesAnswer {
  messages: Message[];
}

/** What an attempt's folder tells about it; every doubt of the host starts here. */
export type AttemptInspection =
  /** No folder, or none with an input: the attempt never came here. */
  | { kind: 'missing' }
  | { kind: 'ended'; result: AttemptResult }
  /** A runner is alive (perhaps still at the fence). */
  | { kind: 'running'; record: RunnerRecord }
  /** No runner ever got past the fence: provably no agent; preparation and start may simply go on. */
  | { kind: 'unstarted' }
  /** The runner is dead without a result: {@link reapAttempt}. */
  | { kind: 'dead'; record: RunnerRecord }
  /**
   * A runner of another machine (or another container) had it last: whether it lives cannot be seen from here. It is
   * dead when it has given no sign of life until then.
   */
  | { kind: 'elsewhere'; machine: string; until: number }
  /**
   * A file of it, which `problem` names, cannot be read, and no runner is known to live: a person has to look at it.
   * `mayLive` when the lock cannot be read either, so that nothing may be ended.
   */
  | { kind: 'damaged'; problem: string; mayLive: boolean };
