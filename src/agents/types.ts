import type { z } from 'zod';
import type { AgentSpec, Outcome } from '../contract/index.js';

/**
 * What a line of an agent's output means. Only `progress` feeds the bead's progress clock: a program that retries against a
 * dead provider for minutes is alive (`life`), but it does not get on.
 */
export type AgentEvent =
  | { kind: 'progress'; activity?: string; tool?: boolean }
  | { kind: 'life'; activity?: string }
  | { kind: 'session'; id: string }
  | { kind: 'usage'; inputTokens?: number; outputTokens?: number; costUsd?: number }
  | { kind: 'rate_limited'; text: string; retryAfterMs?: number }
  | { kind: 'auth_failed'; text: string }
  | { kind: 'end'; ok: boolean; text?: string };

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
  /** The adapter's session id of an earlier attempt, when it may be resumed. */
  session?: string;
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
  outcome: Extract<Outcome, 'rate_limited' | 'auth_failed' | 'not_installed' | 'agent_failed'>;
  reason: string;
  retryAfterMs?: number;
}

/** Why an agent cannot be started; found before anything is cloned. */
export interface AgentProblem {
  kind: 'not_installed' | 'bad_options';
  problem: string;
}

/** How the host hears of a slow preparation. */
export interface PrepareContext {
  progress(p: { text: string; percent?: number }): void;
  signal?: AbortSignal;
}

/** One kind of agent program: command, prompt delivery, output parser, verdict on its end. */
export interface AgentAdapter {
  name: string;
  /** One line for `heartbead doctor` and the help. */
  description: string;
  /** What `AgentSpec.options` may hold. */
  options: z.ZodType;
  /** @returns what keeps this agent from starting on this host, or undefined. */
  check(spec: AgentSpec, env: NodeJS.ProcessEnv): Promise<AgentProblem | undefined>;
  /** Work on the host before the agent is spawned, part of the cold start; rejects when `signal` aborts. */
  prepare?(spec: AgentSpec, context: PrepareContext): Promise<void>;
  command(context: AgentContext): AgentCommand;
  /** A new parser for one process: it may keep state from line to line. */
  parser(): (line: string, stream: 'stdout' | 'stderr') => AgentEvent | undefined;
  /** @returns the verdict on an end without a report, or undefined for the usual one (status 0 → unreported, else → agent_failed). */
  classify?(exit: AgentExit, events: readonly AgentEvent[]): ExitClass | undefined;
}
