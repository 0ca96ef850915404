import type { z } from 'zod';
import type { AgentSession, AgentSpec, Outcome, Usage } from '../contract/index.js';

/**
 * What a line of an agent's output means. Only `progress` feeds the bead's progress clock: a program that retries
 * against a dead provider for minutes is alive (`life`), but it does not get on.
 */
export type AgentEvent =
  | { kind: 'progress'; activity?: string; tool?: boolean }
  | { kind: 'life'; activity?: string }
  | { kind: 'session'; id: string }
  /** What the program's model says to whoever it takes to be reading. */
  | { kind: 'said'; text: string }
  /** `total`: of the whole run up to now, in place of all that was told before; else one more. */
  | ({ kind: 'usage'; total?: boolean } & Partial<Usage>)
  | { kind: 'rate_limited'; text: string; retryAfterMs?: number }
  | { kind: 'auth_failed'; text: string }
  | { kind: 'out_of_credit'; text: string }
  | { kind: 'end'; ok: boolean; text?: string };

/** How a provider can refuse its service. */
export const refusalKinds = ['rate_limited', 'auth_failed', 'out_of_credit'] as const;
/** A provider's refusal. */
export type ProviderRefusal = Extract<AgentEvent, { kind: (typeof refusalKinds)[number] }>;
export const isRefusal = (event: AgentEvent): event is ProviderRefusal =>
  (refusalKinds as readonly string[]).includes(event.kind);

/** What an adapter is told when it makes the command of an attempt. */
export interface AgentContext {
  spec: AgentSpec;
  bead: string;
  attempt: string;
  /** 1 for the bead's first attempt. */
  number: number;
  /** The whole prompt, as it also stands in `promptFile`. */
  prompt: string;
  promptFile: string;
  worktree: string;
  /** The attempt's own folder: the place for configuration files. */
  folder: string;
  /** Path of a `heartbead` that works in the attempt. */
  heartbead: string;
  /** What the agent will find in its environment, apart from what `command` adds. */
  env: Readonly<Record<string, string>>;
  /** A conversation of an earlier attempt that is to go on; only what `findSession` has found. */
  resume?: FoundSession;
}

/** A conversation whose files are on this host. */
export interface FoundSession extends AgentSession {
  /** What the adapter needs to take it up: a file, or the id. */
  from: string;
}

/** Where an adapter may look for a conversation. */
export interface SessionContext {
  spec: AgentSpec;
  env: Readonly<Record<string, string>>;
  /** The folder of the attempt that had the conversation; it may be gone. */
  folder: string;
  /** The new attempt's folder, for what has to be copied. */
  scratch: string;
  /** The new attempt's worktree. */
  worktree: string;
  /** It goes on in the very attempt that had it: nothing has to be moved. */
  inPlace?: boolean;
  signal?: AbortSignal;
}

/** How the agent's process is started; the prompt goes by stdin or file, never into `args`. */
export interface AgentCommand {
  file: string;
  args: string[];
  env?: Record<string, string>;
  stdin?: string;
}

/** How the agent's process ended. */
export interface AgentExit {
  code?: number;
  signal?: NodeJS.Signals;
  /** Code of the error that kept it from starting, such as ENOENT. */
  spawnError?: string;
  /** Newest lines of output, oldest first. */
  lastLines: string[];
}

/** An adapter's verdict on an end without a report. */
export interface ExitClass {
  outcome: Extract<Outcome, 'rate_limited' | 'auth_failed' | 'out_of_credit' | 'not_installed' | 'agent_failed'>;
  reason: string;
  retryAfterMs?: number;
}

/**
 * Why an agent cannot be started; found before anything is cloned. `not_here`: this host lacks a setting that another
 * one may have.
 */
export interface AgentProblem {
  kind: 'not_installed' | 'not_here' | 'bad_options';
  problem: string;
}

/** Reads one line of output. */
export type AgentParser = (line: string, stream: 'stdout' | 'stderr') => AgentEvent | AgentEvent[] | undefined;

export interface ParserContext {
  spec: AgentSpec;
  /** What a conversation that goes on had used before, for programs that tell of the whole. */
  usedBefore?: Usage;
}

/** How the host hears of a slow preparation. */
export interface PrepareContext {
  progress(p: { text: string; percent?: number }): void;
  signal?: AbortSignal;
}

/**
 * What a sandbox shows of the home of whoever has logged in, as absolute paths; what is not there is left out. Whatever
 * of it is a setting is not in `write`: a program that the user runs himself would obey what an agent has put there.
 */
export interface AgentLogin {
  /** Settings, the user's instructions and plug-ins. */
  read?: readonly string[];
  /** The login itself, which a program renews. */
  write?: readonly string[];
  /** Folders of conversations, which later attempts take up; they are made where they are missing. */
  keep?: readonly string[];
  /**
   * Files and folders that mix settings with what the program notes for itself: the agent changes a copy, which goes
   * with it.
   */
  copy?: readonly string[];
  /** The program, where the command does not begin with it: its files are shown too. */
  program?: string;
  /** The folder that all of it is in: what else the program puts there is the attempt's own. */
  own?: readonly string[];
}

/** One kind of agent program: command, prompt delivery, output parser, verdict on its end. */
export interface AgentAdapter {
  name: string;
  /** One line for `heartbead doctor` and the help. */
  description: string;
  /** What `AgentSpec.options` may hold. */
  options: z.ZodType;
  /**
   * Names of host variables that this program may see without being asked for: its keys, its configuration, proxies.
   */
  environment?: readonly string[];
  /** Absent: it needs nothing of the home. */
  login?(env: Readonly<Record<string, string>>): AgentLogin;
  /** The program of an agent from a settings file, and the arguments that make it print its version. */
  program?: string;
  version?: readonly string[];
  /** Whether its command starts Heartbead's MCP server, so that the prompt may speak of tools. */
  mcp?: boolean;
  /** @returns what keeps this agent from starting on this host, or undefined. */
  check(spec: AgentSpec, env: NodeJS.ProcessEnv): Promise<AgentProblem | undefined>;
  /** Work on the host before the agent is spawned, part of the cold start; rejects when `signal` aborts. */
  prepare?(spec: AgentSpec, context: PrepareContext): Promise<void>;
  /**
   * Looks for the files of an earlier conversation on this host, while the workspace is prepared: it may take its time.
   * @returns undefined when they are gone: the attempt begins a new one. Absent: it cannot go on.
   */
  findSession?(session: AgentSession, context: SessionContext): Promise<FoundSession | undefined>;
  /** May write files into the attempt's folder, never into the worktree or the user's home. */
  command(context: AgentContext): AgentCommand | Promise<AgentCommand>;
  /** A new parser for one process: it may keep state from line to line. */
  parser(context?: ParserContext): AgentParser;
  /**
   * @returns the verdict on an end without a report, or undefined for the usual one (status 0 → unreported, else →
   * agent_failed).
   */
  classify?(exit: AgentExit, events: readonly AgentEvent[]): ExitClass | undefined;
  /**
   * @returns whether the program has come to an end of its own accord, as one does whose model says its last word: it
   * can be answered in its conversation. Absent: its end is never answered.
   */
  hasSpoken?(exit: AgentExit, events: readonly AgentEvent[]): boolean;
}
