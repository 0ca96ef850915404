/**
 * What the board's JSON API answers (`/api/v1`, docs/board.md). Types alone: the page imports them too. All instants
 * are milliseconds since the epoch.
 * @module
 */
import type {
  AgentStatus,
  AttemptCell,
  BeadStatus,
  BeadView,
  ConvoyView,
  MergeStrategy,
  RigView,
  Usage,
} from '../contract/index.js';
import type { Problem } from '../domain/telling/problems.js';
import type { Sentence } from '../domain/telling/story.js';

/** Who serves the page, and what it may do. */
export interface About {
  version: string;
  api: 'v1';
  readOnly: boolean;
  namespace: string;
  taskQueue: string;
  address: string;
  /** Temporal's Web UI, where it is known. */
  uiAddress?: string;
  /** Who the proxy says is looking. */
  user?: string;
  /** Agent programs that a bead may name. */
  agents: string[];
  /** Requests to Temporal since the start of the board. */
  requests: number;
  /** Pages that look right now. */
  lookers: number;
  /** Resident memory of the board, in bytes. */
  memory: number;
}

/** A failure, in the words of the client's errors: what happened, and what to do next. */
export interface ApiError {
  error: { message: string; next?: string };
}

/** A bead as the front shows it: from visibility, and `more` from the bead itself as far as it was asked. */
export interface Card {
  bead: string;
  title: string;
  status: BeadStatus | 'terminated';
  agent: AgentStatus;
  attention?: string;
  rig?: string;
  convoy?: string;
  /** The agent program. */
  adapter?: string;
  startedAt: number;
  closedAt?: number;
  more?: CardMore;
}
export interface CardMore {
  /** Number of the current attempt. */
  attempt?: number;
  attempts: number;
  host?: string;
  /** What the agent of the newest attempt runs in; absent before it is spawned. */
  cell?: AttemptCell;
  /** An operator's pause has not reached its host: the agent may work on. */
  pauseUnheard?: true;
  /** In words: what the agent does, or why none runs. */
  doing: string;
  /** Since when the current attempt runs. */
  since?: number;
  costUsd: number;
  tokens: number;
}

/** What to do about a problem: a button, a page to open, or a command to type. */
export type Remedy =
  | { do: 'retry' | 'approve' | 'resume' | 'nudge'; bead: string; label: string }
  | { do: 'resume-rig'; rig: string; label: string }
  | { do: 'start-convoy' | 'resume-convoy'; convoy: string; label: string }
  | { do: 'retry-in-convoy'; convoy: string; id: string; label: string }
  | { do: 'open'; path: string; label: string }
  | { do: 'type'; command: string; label: string };
export interface ShownProblem extends Problem {
  remedy: Remedy;
}

export interface HostRow {
  host: string;
  state: 'has room' | 'full' | 'out of reach';
  /** Beads whose attempt is known to be there, of those that were asked. */
  beads: string[];
  /** Places, where they are known (this machine's own worker). */
  places?: number;
  /** Whether it is the machine that the board runs on. */
  here: boolean;
}
export interface HostsPart {
  hosts: HostRow[];
  /** Attempts that wait in the agents queue, as far as the server counts them. */
  queued?: number;
  taskQueue: string;
}

export interface RigRow {
  rig: string;
  /** Absent: the rig did not answer. */
  view?: Pick<RigView, 'paused' | 'removed' | 'attention' | 'version'> & {
    repo: string;
    base?: string;
    strategy: MergeStrategy;
    maxAgents: number;
    approval: boolean;
    breakerOpen: boolean;
    running: string[];
    waiting: number;
    queue: { item: string; title: string; target: string; tries: number; reason?: string; notBefore?: number }[];
    merging: { item: string; title: string; target: string; since: number }[];
  };
}
/** The rigs of the town, by name alone. */
export interface RigNames {
  rigs: string[];
}
export interface ConvoyRow {
  convoy: string;
  title: string;
  view?: Pick<ConvoyView, 'status' | 'reason' | 'progress' | 'rig' | 'paused' | 'staged' | 'attention'>;
}

/** The front as a whole; afterwards only what has changed is sent. */
export interface Front {
  now: number;
  cards: Card[];
  /** There are more beads than a board looks at. */
  more: boolean;
  /** Older ones are still being read: they come as changes. */
  reading: boolean;
  /** All of today's, though only the newest are among the cards. */
  landedToday: number;
  problems: ShownProblem[];
  hosts: HostsPart;
  rigs: RigRow[];
  convoys: ConvoyRow[];
}

/** Why a button of a bead is not offered. Absent: it is. */
export type ActionRefusals = Partial<Record<BeadAction, string>>;
export type BeadAction = 'nudge' | 'pause' | 'resume' | 'retry' | 'approve' | 'request-changes' | 'cancel';

/** A bead in full. */
export interface BeadPage {
  now: number;
  bead: string;
  title: string;
  status: BeadStatus | 'terminated' | 'not started';
  verdict: string;
  /** Why it is running or not, in sentences. */
  why: string[];
  /** What happens next by itself. */
  next?: { at: number; text: string };
  /** What it waits for. */
  waitsFor?: string;
  /** The rest of what `explain` says. */
  details: string[];
  /** What a reader must know about this answer. */
  notes: string[];
  problems: ShownProblem[];
  refusals: ActionRefusals;
  /** The bead's own account; absent when no worker answered. */
  state?: BeadView;
  /** What its host says of the attempt, without the bead being asked. */
  beat?: string;
  costUsd: number;
  usage?: Usage;
  workflowUrl?: string;
}

export interface StoryAnswer {
  story: Sentence[];
  runs: number;
  /** Older runs are no longer on the server. */
  cut: boolean;
}

export interface DiffLine {
  /** `+` added, `-` removed, ` ` unchanged. */
  kind: '+' | '-' | ' ';
  text: string;
  old?: number;
  new?: number;
  /** Characters that were left out at its end. */
  cut?: number;
}
export interface DiffHunk {
  head: string;
  lines: DiffLine[];
}
export interface DiffFile {
  path: string;
  /** Before a rename. */
  from?: string;
  change: 'added' | 'deleted' | 'changed' | 'renamed';
  added: number;
  removed: number;
  binary: boolean;
  /** Absent when the file is too long to be shown. */
  hunks?: DiffHunk[];
}
/** What an attempt changed. */
export interface DiffAnswer {
  attempt: string;
  /**
   * `branch`: what was pushed; `saved`: the newest saved work; `live`: the working tree as it is now; `landed`: what
   * its merge brought onto the target.
   */
  source: 'branch' | 'saved' | 'live' | 'landed';
  /** The other host that told its working tree. */
  host?: string;
  /** What a reader must know about this answer, in a sentence. */
  note?: string;
  base: string;
  head: string;
  files: DiffFile[];
  /** Files that are not listed. */
  moreFiles: number;
  added: number;
  removed: number;
}

export interface LogLines {
  attempt: string;
  /** The first of these lines replace what was shown before. */
  reset: boolean;
  lines: { text: string; cut?: number }[];
  /** The other host that it is read from. */
  host?: string;
  /** Why it cannot be read now, in a sentence. */
  elsewhere?: string;
  /** The attempt has ended; nothing more will come. */
  ended: boolean;
}

export interface ChartsAnswer {
  from: number;
  to: number;
  /** Width of a step of `agents` and `landed`. */
  step: number;
  agents: number[];
  landed: number[];
  costs: { rig: string; costUsd: number; tokens: number; beads: number }[];
  /** Milliseconds of all asked beads together. */
  shares: { waiting: number; working: number; inReview: number; blocked: number };
  /** Beads that were asked, of those in the range. */
  asked: number;
  beads: number;
}
