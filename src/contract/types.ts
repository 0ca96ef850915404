/**
 * The words of the domain as types, and the shapes that cross process borders. All durations are milliseconds, all
 * instants are milliseconds since the epoch, of the workflow's clock unless it says otherwise.
 * @module
 */
import type { SignedApproval } from './rig.js';

/**
 * Every field of T, also those that may be undefined. A reader of foreign data that answers with this type does not
 * compile until it has decided about a new field.
 */
export type Decided<T> = { [K in keyof Required<T>]: T[K] };

/** Where a piece of work stands. `closed`, `failed` and `cancelled` are final. */
export const beadStatuses = ['open', 'in_progress', 'in_review', 'blocked', 'closed', 'failed', 'cancelled'] as const;
export type BeadStatus = (typeof beadStatuses)[number];

/** What is known of the agent of the current attempt; `none` when there is no attempt. */
export const agentStatuses = ['none', 'starting', 'working', 'stalled', 'suspect', 'paused', 'stopping'] as const;
export type AgentStatus = (typeof agentStatuses)[number];

/** @returns whether a bead in this status has ended for good. */
export const isFinal = (status: BeadStatus): boolean =>
  status === 'closed' || status === 'failed' || status === 'cancelled';

/**
 * How an attempt ended. Closed list: a new outcome does not compile until `domain/bead/accounts.ts` has decided about
 * it.
 *
 * - `done`: the agent reported done and its branch is pushed (evidence is still to be verified).
 * - `no_changes`: reported done, but there is no commit ahead of the base.
 * - `unreported`: the agent ended with status 0 and no report.
 * - `agent_failed`: the agent ended with another status or by a signal of its own.
 * - `rate_limited`: its provider refuses for now; uses up nothing.
 * - `auth_failed`, `out_of_credit`, `not_installed`: a person must act; the bead is blocked at once.
 * - `declined`: its host cannot run this agent now, and gave the attempt back before anything began; another host may,
 * or the same one later. Uses up nothing.
 * - `setup_failed`: the workspace cannot be made, and trying again cannot help (no such branch, refused URL).
 * - `escalated`: the agent asked for a person and ended.
 * - `lost`: infrastructure (host, runner, network, repository out of reach); never the agent's failure.
 * - `out_of_memory`, `too_many_processes`, `disk_full`: its processes used more than their host allows one attempt;
 *   they were ended, before others had to suffer.
 * - `stalled`: no progress for `stopSilentAfter`.
 * - `timed_out`: `maxRuntime` is over.
 * - `push_refused`: the agent has finished, but the remote did not take its commits; its host keeps them.
 * - `stopped`: by cancel, or because the bead has moved on.
 */
export const outcomes = [
  'done',
  'no_changes',
  'unreported',
  'agent_failed',
  'rate_limited',
  'auth_failed',
  'out_of_credit',
  'not_installed',
  'declined',
  'setup_failed',
  'escalated',
  'lost',
  'out_of_memory',
  'too_many_processes',
  'disk_full',
  'stalled',
  'timed_out',
  'push_refused',
  'stopped',
] as const;
export type Outcome = (typeof outcomes)[number];

/** The clocks; defaults and their reasons in `domain/clocks.ts`. All in milliseconds. */
export interface Clocks {
  /** The runner's activity heartbeat. */
  beatEvery: number;
  /** `heartbeatTimeout` of startAgent: silence after which the attempt is `suspect`. */
  heartbeatTimeout: number;
  /** At most one progress signal per so long. */
  signalEvery: number;
  /** From spawn to the agent's first sign. */
  firstProgressWithin: number;
  /** After this long without progress the agent counts as `stalled` and is nudged once. */
  stalledAfter: number;
  /** After this long without progress the attempt is stopped as `stalled`, and its work saved. */
  stopSilentAfter: number;
  /** An adoption waits so long for the host's worker; tried again while there are signs of life. */
  adoptWithin: number;
  /** The lease: a runner whose beats renew it no more for so long saves its work and freezes its agent. */
  leaseFor: number;
  /**
   * Silence, from the last renewal, after which an attempt on an unreachable host is given up; > leaseFor + 30 s.
   */
  giveUpAfter: number;
  /** Ceiling for the running time of an attempt, pauses not counted. */
  maxRuntime: number;
  /** Work in progress is saved and pushed. */
  checkpointEvery: number;
  /** From SIGTERM to SIGKILL. */
  stopGrace: number;
}

/** How often may what happen before a person is asked. */
export interface Budgets {
  /** Ends that are the agent's own (unreported, agent_failed, no_changes, stalled, timed_out). */
  agentFailures: number;
  /** Infrastructure losses in a row without saved or verified work in between. */
  infraLosses: number;
  /** Rounds of rework. */
  reworkRounds: number;
  /**
   * Tokens (written, and read from no cache: `billedTokens`) of all attempts together; looked at before each next
   * attempt. No limit when absent.
   */
  maxTokens?: number;
  /** The same in US dollars, as far as the agent program tells what it costs. */
  maxCostUsd?: number;
}

/** What agents have used, as their programs tell it; a program that tells nothing has used zero. */
export interface Usage {
  /** Tokens sent to models, those read from a cache included. */
  inputTokens: number;
  outputTokens: number;
  /** The part of `inputTokens` that was read from a cache. */
  cachedTokens: number;
  costUsd: number;
  /** Answers of models. */
  turns: number;
}

/** A conversation of an agent program that a later attempt may take up again, on the host where it lies. */
export interface AgentSession {
  /** The adapter's id of it. */
  id: string;
  adapter: string;
  attempt: string;
  host: string;
  /** What all attempts in this conversation have used. */
  usage?: Usage;
}

/** What a bead or a rig may ask of the walls around its agent. */
export const agentCells = ['sandbox', 'none'] as const;
export type AgentCell = (typeof agentCells)[number];

/** Which agent program, and how it is called. No secrets: this is kept in history. */
export interface AgentSpec {
  /** Name in the adapter table: `shell`, `demo`, …; `rig` stands for whatever agent the bead's rig names. */
  adapter: string;
  /** For `shell`: the command line, given to `sh -c`. */
  command?: string;
  /** Options of the adapter; validated by the adapter's own schema on the host. */
  options?: Record<string, unknown>;
  /** Names (never values) of further host variables that the agent may see. */
  env?: string[];
  /**
   * The only hosts that its program reaches, as `destinationProblem` has them; its provider comes by itself. It runs in
   * a sandbox then or not at all, and each host's own settings say what may be asked for.
   */
  network?: string[];
  /** `sandbox`: in one or not at all, whatever the host does with others. `none`: without, where the host lets it. */
  cell?: AgentCell;
}

/** What an operator may have otherwise from the next attempt on, with a retry. */
export interface BeadChange {
  agent?: AgentSpec | undefined;
  base?: string | undefined;
}

/** A commit from which the next attempt goes on. `ref` is where it stands on the remote. */
export interface Checkpoint {
  sha: string;
  ref: string;
  /**
   * True when the commit at `ref` is a wip snapshot (uncommitted work on top of its parent), not a commit of the
   * agent's.
   */
  wip: boolean;
  /** True when its files differ from those that the attempt began with: something was worked, and is saved. */
  gained?: boolean;
}

/** Input of the bead workflow. `carried` is set only by continue-as-new. */
export interface BeadInput {
  bead: string;
  title: string;
  body?: string;
  /** URL or path, without credentials (`repoProblem`). */
  repo: string;
  /** Branch to start from; the remote's HEAD when absent. */
  base?: string;
  agent: AgentSpec;
  /** 1 (first) to 5 (last); 3 when absent. */
  priority?: number;
  /** The rig that grants its attempts and merges its work; without one the bead closes on pushed evidence. */
  rig?: string;
  convoy?: string;
  /** Branch to land on; the rig's base when absent. Only with a rig. */
  target?: string;
  /** Start from this commit of the base branch: what a bead needs has been merged there. */
  baseSha?: string;
  clocks?: Partial<Clocks>;
  budgets?: Partial<Budgets>;
  carried?: BeadState;
}

/** What the bead workflow returns; a cancelled bead throws a cancellation instead. */
export interface BeadResult {
  status: 'closed' | 'failed';
  branch?: string;
  sha?: string;
  base?: string;
  attempts: number;
  reason: string;
}

/** A first start, or the adoption of an attempt that its host has. */
export const startModes = ['start', 'adopt'] as const;
export type StartMode = (typeof startModes)[number];

/** Input of `startAgent`, both for a first start (agents queue) and for an adoption (the host's queue). */
export interface StartAgentInput {
  bead: string;
  /** The fencing token of everything the agent says. */
  attempt: string;
  /** 1 for the bead's first attempt. */
  number: number;
  /**
   * `start`: make it run here unless another host has claimed it. `adopt`: it lives here, hand over the new task token.
   */
  mode: StartMode;
  title: string;
  body: string;
  repo: string;
  base?: string;
  /** Start from this commit instead of the tip of the base branch. */
  baseSha?: string;
  /** Go on from here instead of the base. */
  checkpoint?: Checkpoint;
  /** The commit of the base that the bead's newest attempt began with. */
  began?: string;
  agent: AgentSpec;
  /** Whose settings a host's own files may add to. */
  rig?: string;
  /** When an operator last retried the bead, in milliseconds of the workflow's clock. */
  retriedAt?: number;
  clocks: Clocks;
  /** What earlier attempts left for this one: one line each, oldest first. */
  notes: string[];
  /** Messages not yet acknowledged by any attempt. */
  messages: Message[];
  /** The newest attempt's conversation; taken up when it lies on this host and its program can. */
  session?: AgentSession;
  /** What makes the fresh worktree ready before the agent begins. */
  workspace?: Workspace;
}

/** A file of the host that is copied into a fresh tree: its content never enters a workflow. */
export interface CopiedFile {
  /** Absolute path on the host. */
  from: string;
  /** Path below the tree; the repository must ignore it, so that no agent commits it. */
  to: string;
}

/** A shell command that makes a fresh tree ready. */
export interface SetupStep {
  /** Given to `sh -c` in the tree. */
  command: string;
  /** Ended, with all its processes, after so long; milliseconds. */
  timeout: number;
}

/**
 * Where work in progress is saved: on the remote, where each host finds it; on the attempt's host only; or on the
 * remote without the files that git does not track.
 */
export const savePolicies = ['pushed', 'host', 'tracked'] as const;
export type SavePolicy = (typeof savePolicies)[number];

/** How work in progress is saved; what is absent is as it always was: pushed, 10 MB a file, 100 MB together. */
export interface Saves {
  policy?: SavePolicy;
  /** Untracked files larger than this, in bytes, are left out. */
  fileBytes?: number;
  /** Bytes of all untracked files together: the largest are left out until the rest fits. */
  allBytes?: number;
}

/** What an attempt's tree is, and what makes it ready before an agent begins and before checks run. */
export interface Workspace {
  /** Run one after the other; the first that fails ends the attempt as `setup_failed`. */
  setup?: SetupStep[];
  /** Run on the host of each attempt when that has ended, however it did. */
  teardown?: SetupStep[];
  /** Copied before the set-up steps. */
  copy?: CopiedFile[];
  saves?: Saves;
  /** The agent may push to `origin` by itself; otherwise its repository refuses, and says that Heartbead pushes. */
  allowPush?: boolean;
  /** Every commit carries a `Signed-off-by` (DCO): the agent's, saves and merges. */
  signoff?: boolean;
  /** What the names of our branches and refs on the remote begin with; `heartbead` when absent. */
  refPrefix?: string;
  /** Untracked files that tools leave beside the work, as patterns: no reason to refuse `done`. */
  litter?: string[];
  ports?: Ports;
}

/** Where each attempt, and the checks of each merge, get ports that nobody else of ours has on that host. */
export interface Ports {
  /** The first one of the first block. */
  base: number;
  /** How many ports one block has. */
  count: number;
}

/** Bounds of `Ports`: below are those of the system, and above there are none. */
export const portLimits = { least: 1_024, most: 65_535, count: 1_000 } as const;

/** Who says a message: an operator by a nudge, or the bead itself. */
export const messageSenders = ['operator', 'heartbead'] as const;

/** A text for the agent, delivered in order, acknowledged by id. */
export interface Message {
  id: string;
  text: string;
  from: (typeof messageSenders)[number];
  at: number;
}

/**
 * A message as the bead keeps it. Delivered is not acknowledged: what an attempt did not acknowledge goes to the next
 * one.
 */
export interface PendingMessage extends Message {
  deliveredTo?: string;
}

/** Result of `startAgent`: how the attempt ended. The runner writes it to disk before it reports it. */
export interface AttemptResult {
  attempt: string;
  outcome: Outcome;
  /** One sentence a person understands. */
  reason: string;
  host: string;
  /** The commit that the attempt started from. */
  baseSha?: string;
  /**
   * Pushed branch and its commit; present when the agent reported done. With `push_refused` they are on the host only.
   */
  branch?: string;
  sha?: string;
  /** Newest saved work; the next attempt goes on from here. */
  checkpoint?: Checkpoint;
  exitCode?: number;
  signal?: string;
  /**
   * With `rate_limited` and `declined`: when it may be tried again. With `push_refused`: the push may pass after
   * so long.
   */
  retryAfterMs?: number;
  /** The agent's own words on what it did. */
  summary?: string;
  /** Ids of messages that the agent has acknowledged. */
  acknowledged?: string[];
  /** The adapter's session id, for resuming the conversation. */
  session?: string;
  usage?: Usage;
}

/** Details of an activity heartbeat of `startAgent`: small, and readable in the Web UI's pending activities. */
export interface BeatDetails {
  host: string;
  attempt: string;
  /**
   * `accepted`, `cloning`, `worktree`, `fencing` come from the host: as long as none later was recorded, and no signal
   * came, provably no agent was ever spawned. `spawning`, `running`, `frozen`, `paused`, `stopping` come from the
   * runner.
   */
  phase: BeatPhase;
  /** For a person: `cloning 43 %`, `running for 12 min, last output 8 s ago`. */
  text: string;
  pid?: number;
  checkpoint?: Checkpoint;
  /** What the agent runs in. Beats of the host have none yet. */
  cell?: AttemptCell;
}
/** The phases of an attempt, and whether an agent may exist once a heartbeat with that phase has been accepted. */
const agentMayExist = {
  accepted: false,
  cloning: false,
  worktree: false,
  /**
   * The host's last word before its runner has the token. Earlier beads do not know it and wait as for an agent;
   * those of today read it by a rule of its own (`readByRules`).
   */
  fencing: true,
  /** The runner's beat at the fence. */
  spawning: true,
  running: true,
  frozen: true,
  paused: true,
  stopping: true,
} as const;
export type BeatPhase = keyof typeof agentMayExist;

/** A phase that this version does not know comes from a newer host: an agent may exist there. */
export const phaseMayHaveAgent = (phase: BeatPhase): boolean =>
  (agentMayExist as Partial<Record<string, boolean>>)[phase] ?? true;

/**
 * Payload of the `heartbeat` signal.
 *
 * - `start`: the runner holds the lease and spawns the agent now (sent and accepted *before* the spawn: it claims the
 * attempt for its host).
 * - `output`, `tool`, `agent` (the agent called in): progress.
 * - `adopted`: the runner has a token again. `orphan`: it is alive without one and asks to be adopted. Both are life,
 * not progress.
 * - `paused`, `resumed`: somebody paused the activity in the Web UI; the workflow cannot see that by itself.
 */
export interface HeartbeatSignal {
  attempt: string;
  host?: string;
  /** What the agent is doing, in a few words. */
  activity?: string;
  kind?: HeartbeatKind;
  checkpoint?: Checkpoint;
  /** Ids of messages that the agent has acknowledged. */
  acknowledged?: string[];
  /** Why the newest save did not get to the remote, when nobody's waiting helps. */
  saveProblem?: string;
  /** Public key (Ed25519, base64url) of the runner, whose signature alone makes a pushed branch evidence. */
  vouchKey?: string;
  /** With `start`: what the agent runs in. */
  cell?: AttemptCell;
  /** With `start`: which of its host's accounts the agent uses, by its name. */
  account?: string;
}
/** What an agent runs in on its host: nothing, a sandbox, or a command of the host's own settings. */
export const attemptCells = ['sandbox', 'none', 'command'] as const;
export type AttemptCell = (typeof attemptCells)[number];

export const heartbeatKinds = ['start', 'output', 'tool', 'agent', 'adopted', 'orphan', 'paused', 'resumed'] as const;
export type HeartbeatKind = (typeof heartbeatKinds)[number];

/**
 * Payload of the `accepted` signal: `startAgent` (mode start) sends it first of all, so that the bead knows the host
 * before an agent exists.
 */
export interface AcceptedSignal {
  attempt: string;
  host: string;
}

/** Payload of the `note` signal: something the agent wants kept for people and for later attempts. */
export interface NoteSignal {
  attempt: string;
  text: string;
  /** `escalation` raises the bead's attention. */
  kind: 'note' | 'escalation';
}

/** One attempt as the bead remembers it. */
export interface AttemptRecord {
  id: string;
  number: number;
  host?: string;
  startedAt: number;
  spawnedAt?: number;
  endedAt?: number;
  outcome?: Outcome;
  reason?: string;
  /** Whose account it went to. */
  countedAs?: 'nothing' | 'agent' | 'infra';
  /** Whether its agent ever showed progress. */
  progress?: boolean;
  /** Whether work of its own was saved: its files differed from those it began with. */
  saved?: boolean;
  /** Version of the rig's settings that it used. */
  rigVersion?: number;
  heartbeats: number;
  adoptions: number;
  /** What its agent ran in. */
  cell?: AttemptCell;
  /** The account of its host that its agent used, where there are several. */
  account?: string;
  checkpoint?: Checkpoint;
  branch?: string;
  sha?: string;
  /** Absent when its agent program told of none. */
  usage?: Usage;
  /** The adapter's session id. */
  session?: string;
}

/** The attempt that owns the bead now. */
export interface CurrentAttempt {
  id: string;
  number: number;
  /** Known from the first heartbeat that named it. */
  host?: string;
  startedAt: number;
  /** When a host took it; until then the attempt waits in the queue for a place. */
  acceptedAt?: number;
  /** Set by the first sign that an agent may exist (a heartbeat signal, or beat details behind the fence). */
  spawnedAt?: number;
  /** The agent's first own sign of progress. */
  firstProgressAt?: number;
  lastProgressAt?: number;
  /** Last instant at which the runner's lease was provably renewed, as far as the workflow can know. */
  lastSignAt: number;
  /** Since when the process clock is silent; absent while all is well. */
  suspectSince?: number;
  /** The activity that watched the attempt is gone; an adoption is wanted or under way. */
  adopting: boolean;
  adoptions: number;
  /** An adoption was asked for, and nothing of the attempt itself has been heard since. */
  unanswered?: boolean;
  /** What came of the last adoption that brought no sign of the attempt, in words. */
  trouble?: string;
  /** Since when its runner ends at the fence because it does not reach the server. Only before the spawn. */
  fencedOutSince?: number;
  stalledAt?: number;
  /** Set while clocks stand still. */
  pausedAt?: number;
  /** Pauses up to now; deadlines move by it. */
  pausedMs: number;
  /** Paused by an operator in the Web UI (activity pause), as told by the runner. */
  pausedByActivity: boolean;
  /** What the host was last told of the bead's own pause. */
  pauseTold: boolean;
  /** Set once the attempt is being stopped, with the outcome it will get. */
  stopping?: { outcome: Outcome; reason: string; at: number };
  heartbeats: number;
  activity?: string;
  /** What its agent runs in; absent until it is spawned, and with a runner of an earlier version. */
  cell?: AttemptCell;
  /** The account of its host that its agent uses, where there are several. */
  account?: string;
  checkpoint?: Checkpoint;
  /** Work of this attempt has been saved. */
  saved?: boolean;
  /** Why saves of its work do not get to the remote; they lie on its host then. */
  saveProblem?: string;
  /** By which its runner's word on finished work is known; the first one told counts. */
  vouchKey?: string;
}

/**
 * Why a bead with no running agent does not run; every such state names what ends it. `place`: the attempt waits in
 * the agents queue for a host that has one.
 */
export type Wait =
  | { for: 'place'; since: number; text: string }
  | { for: 'backoff'; until: number; text: string }
  | { for: 'person'; since: number; text: string; fix: string }
  | { for: 'verification'; since: number; text: string }
  /** The rig's leave to run an agent. */
  | { for: 'grant'; since: number; text: string }
  /** A person's `approve` or `requestChanges`. */
  | { for: 'approval'; since: number; text: string }
  /** The refinery. */
  | { for: 'merge'; since: number; text: string };

/** What happens next by itself, and when. */
export interface Deadline {
  at: number;
  what: 'stalled' | 'lost' | 'give-up' | 'max-runtime' | 'backoff';
  /** In plain words, as `explain` prints it. */
  text: string;
}

/** What a bead with a rig has asked for and got. */
export interface Landing {
  /** Branch to land on, as the sling or the convoy said; the rig's base when absent. */
  target?: string;
  /** Commit the sling or the convoy said to start from. */
  startSha?: string;
  /** Leave to run one attempt: nothing, asked for, held, or spent (to be returned). */
  grant: 'none' | 'asked' | 'held' | 'spent';
  /** Version of the settings that came with the last grant. */
  version?: number;
  /** It runs the rig's agent, whatever that is at its next grant. Absent in beads that were granted before. */
  rigsAgent?: boolean;
  /** An operator wants its next attempt: the rig is told when it is asked. */
  retried?: boolean;
  /** Its grant is to find out whether a shared cause still holds. */
  ahead?: boolean;
  /** Paid starts without work that got on that the rig does not know of yet. */
  fruitless?: number;
  /** Paid starts of the work that was verified last: should it have to go round again, they still count. */
  unlanded?: { starts: number; at: number };
  /** Whether the rig wants a person's approval. */
  approval: boolean;
  /** The commit a person has approved. */
  approvedSha?: string;
  /** By which keys the rig wants approvals signed, as far as the bead knows. */
  approvers?: string[];
  /** How the approval of `approvedSha` is signed. */
  signed?: SignedApproval;
  /** A commit of the target that has the work without the refinery; whoever approves from then on knows of it. */
  foreignSha?: string;
  /** The rig has this commit in its merge queue. */
  queuedSha?: string;
  /** A cancel is waiting for the rig's answer. */
  withdrawing?: boolean;
  /** The rig has been asked to take it out of its queue. */
  withdrawTold?: boolean;
  /** What was verified last goes round again; a retry must not offer it once more. */
  toRework?: boolean;
  /** The commit on the target, once merged. */
  mergedSha?: string;
}

/**
 * Why a person should look at a bead: its agent asks for help, it is blocked or stalled, or its work wants approval.
 */
export const attentions = ['escalation', 'blocked', 'stalled', 'approval'] as const;
export type Attention = (typeof attentions)[number];

/** One line of a bead's own story, kept in its state. */
export interface StoryLine {
  at: number;
  text: string;
}

/**
 * The full state of a bead: the answer of the `state` query, and what continue-as-new carries over. JSON throughout.
 */
export interface BeadState {
  bead: string;
  title: string;
  repo: string;
  base?: string;
  priority: number;
  rig?: string;
  convoy?: string;
  agentSpec: AgentSpec;
  /** From the rig's settings. */
  workspace?: Workspace;
  clocks: Clocks;
  budgets: Budgets;
  /** What its own sling said; outranks its rig's settings. */
  ownClocks?: Partial<Clocks>;
  ownBudgets?: Partial<Budgets>;
  createdAt: number;

  status: BeadStatus;
  agent: AgentStatus;
  /** One sentence: why the bead is in this status. */
  reason: string;
  /** Set by an operator's pause; no spawn while it holds. */
  paused: boolean;
  /** A cancel was asked for; the bead ends as soon as its agent is gone. */
  cancelling: boolean;
  /** The last attempt was lost, and its branch is looked for on the remote before anybody redoes the work. */
  salvage?: { attempt: string; branch: string; vouchKey?: string };
  wait?: Wait;
  current?: CurrentAttempt;
  /** Ended attempts, oldest first, at most `limits.attemptsKept`. */
  attempts: AttemptRecord[];
  /** All attempts that were ever started. */
  attemptCount: number;
  /** `logins`: refused logins in a row that were tried again. `declines`: attempts in a row that hosts gave back. */
  used: { agentFailures: number; infraLosses: number; reworkRounds: number; logins?: number; declines?: number };
  /** When an operator last retried it: a host that holds its agent back lets it find out whether it still has to. */
  retriedAt?: number;
  /**
   * Paid starts since work landed (of a bead without a rig: was verified), or an operator wanted more; and when the
   * newest of them was.
   */
  paid?: { starts: number; at: number };
  /** `spaced`: paid starts without work that got on in between get further and further apart. Absent in older beads. */
  paceRule?: 'spaced';
  /**
   * `saved`: losses count in a row until work is saved or verified, whatever the agents say. Absent in beads of earlier
   * versions: there a word of the agent was enough.
   */
  lossRule?: 'saved';
  /** `at once`: the first loss of a row is followed at once. Absent in beads of earlier versions: it waited 10 s. */
  firstLossRule?: 'at once';
  /** What all ended attempts have used together, also those no longer in `attempts`. */
  usage?: Usage;
  /** What had been used when an operator last retried the bead: budgets count from there. */
  usageAtRetry?: Usage;
  /** The newest conversation that a next attempt may take up. */
  session?: AgentSession;
  /** Where the next attempt goes on. */
  checkpoint?: Checkpoint;
  /** Finished commits that the remote did not take: their host offers them again before anybody works anew. */
  unpushed?: { attempt: string; host: string; branch: string; sha: string; tries: number };
  /** What the next attempt should know, oldest first. */
  notes: string[];
  /** Messages not yet acknowledged. */
  messages: PendingMessage[];
  /** Counted, logged and dropped: heartbeats of other attempts or after the end; payloads that cannot be read. */
  strays: number;
  malformed: number;
  heartbeats: number;
  /** Set when a person should look. */
  attention?: Attention;
  branch?: string;
  sha?: string;
  baseSha?: string;
  summary?: string;
  /** Only with a rig: where its work is to land, and what the rig has been asked for. */
  landing?: Landing;
  story: StoryLine[];
  /** Continue-as-new so far. */
  runs: number;
}

/** Answer of the `state` query: the state, and what was computed from it at the moment of the answer. */
export interface BeadView extends BeadState {
  now: number;
  /** What happens next by itself; absent when it waits for something else (`wait` says for what) or has ended. */
  deadline?: Deadline;
}

/** Answer of `verifyWork`. */
export type Evidence =
  | { verdict: 'verified'; branch: string; sha: string; baseSha: string; ahead: number }
  | { verdict: 'missing'; reason: string }
  | { verdict: 'differs'; reason: string; found: string }
  | { verdict: 'no_changes'; reason: string }
  /** It shares no history with what it should build on: nothing that could be merged, or reviewed as a change. */
  | { verdict: 'unrelated'; reason: string; found: string }
  /** A branch of an unreported attempt is there, but its runner never vouched for it: somebody else pushed it. */
  | { verdict: 'unvouched'; reason: string; found: string };
export interface VerifyWorkInput {
  bead: string;
  attempt: string;
  repo: string;
  base?: string;
  baseSha?: string;
  branch: string;
  /** The commit that was reported; absent when an unreported branch is looked for (salvage of a lost attempt). */
  sha?: string;
  /** Key of the lost attempt's runner. Without a reported commit nothing counts that it has not signed. */
  vouchKey?: string;
}

/** Input of the short activities on a host's own queue. */
export interface HostAttemptInput {
  bead: string;
  attempt: string;
  repo: string;
}
export interface StopAttemptInput extends HostAttemptInput {
  /** The outcome the attempt gets, and why. */
  outcome: Outcome;
  reason: string;
}
/** Answer of `stopAttempt`: confirmed means that no process of the attempt is left. */
export interface StopAttemptResult {
  confirmed: boolean;
  /** The recorded result, when there is one. */
  result?: AttemptResult;
}
export interface DeliverInput extends HostAttemptInput {
  message: Message;
}
/** Input of `offerWork`: finished commits that lie on this host are pushed once more. */
export interface OfferWorkInput extends HostAttemptInput {
  sha: string;
}
/** Answer of `offerWork`. `mayPass`: the remote was away, or its disk full; nobody has to do anything. */
export type OfferWorkResult = { pushed: true; branch: string } | { pushed: false; reason: string; mayPass: boolean };
export interface PauseAttemptInput extends HostAttemptInput {
  paused: boolean;
}

/** All activities, as the workflows see them. Implementations: `src/activities` as `createHostActivities(deps)`. */
export interface Activities {
  startAgent(input: StartAgentInput): Promise<AttemptResult>;
  verifyWork(input: VerifyWorkInput): Promise<Evidence>;
  stopAttempt(input: StopAttemptInput): Promise<StopAttemptResult>;
  pauseAttempt(input: PauseAttemptInput): Promise<void>;
  deliverMessage(input: DeliverInput): Promise<void>;
  offerWork(input: OfferWorkInput): Promise<OfferWorkResult>;
}

/**
 * Types of `ApplicationFailure` by which activities tell the workflow what happened. Part of the wire format.
 *
 * - `NoSuchAttempt` (adopt): this host knows nothing of the attempt: it never ran here, or its folder is gone.
 * - `HeldElsewhere` (start): another host has claimed the attempt; details `[{host}]`. The answer is adoption there.
 * - `SetupFailed`: trying again cannot help (no such branch, refused URL, permission denied). → `setup_failed`
 * - `SetupUnreachable`: the repository or disk is out of order for now. → `lost`, tried again with backoff.
 * - `HostDeclines`: → `declined`; details `[{retryAfterMs}]`.
 * - `AgentNotInstalled`: → `not_installed`. `BadAgentOptions`: → `setup_failed`.
 * - `RunnerRefused`: the runner ended at the fence: its token was no longer valid. No agent was spawned. → `lost`
 */
export const failureTypes = {
  noSuchAttempt: 'NoSuchAttempt',
  heldElsewhere: 'HeldElsewhere',
  setupFailed: 'SetupFailed',
  setupUnreachable: 'SetupUnreachable',
  hostDeclines: 'HostDeclines',
  agentNotInstalled: 'AgentNotInstalled',
  badAgentOptions: 'BadAgentOptions',
  runnerRefused: 'RunnerRefused',
  badInput: 'BadInput',
} as const;
export type FailureType = (typeof failureTypes)[keyof typeof failureTypes];
