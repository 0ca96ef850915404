import { milliseconds } from './duration.js';
import type { Duration } from './duration.js';

/**
 * How an agent's process ends by itself. `crashed` is a signal of its own, `killed` one from outside (SIGKILL by a
 * kernel without memory, say), `silently` a status 0 without a report.
 */
export type AgentEnd =
  'done' | 'no_changes' | 'escalated' | 'rate_limited' | 'auth_failed' | 'crashed' | 'killed' | 'silently';

/** What a scripted agent does. All times are the agent's own: a frozen agent's clock stands still. */
export interface AgentScript {
  /** From a host's taking the attempt to the agent's spawn: the clone and the worktree. Default 2 s. */
  coldStart?: Duration;
  /** From the spawn to its first output. Default 5 s; `never` for an agent that says nothing at all. */
  firstOutput?: Duration | 'never';
  /** Between two outputs. Default 30 s. */
  chatter?: Duration;
  /** It says nothing between these two times after the spawn; without `until` it never speaks again by itself. */
  silence?: { from: Duration; until?: Duration };
  /** From the spawn to its end. Default `forever`. */
  works?: Duration | 'forever';
  /** How it ends. Default `done`. */
  ends?: AgentEnd;
  /** A message makes a silent agent speak again. Default false. */
  heedsMessages?: boolean;
  /** It has to be killed. Default false. */
  ignoresSigterm?: boolean;
  /** With `rate_limited`. */
  retryAfter?: Duration;
  /** It talks and changes no file. Default false. */
  changesNothing?: boolean;
  /** What it says at its end that it has cost, in dollars. Default: it does not say. */
  costUsd?: number;
}

/** The same in milliseconds, with the defaults. */
export interface AgentPlan {
  coldStart: number;
  firstOutput: number;
  chatter: number;
  silence: { from: number; until: number };
  works: number;
  ends: AgentEnd;
  heedsMessages: boolean;
  ignoresSigterm: boolean;
  changesNothing: boolean;
  retryAfter?: number;
  costUsd?: number;
}

export function planOf(script: AgentScript): AgentPlan {
  const { firstOutput = '5s', silence, works = 'forever' } = script;
  return {
    coldStart: milliseconds(script.coldStart ?? '2s'),
    firstOutput: firstOutput === 'never' ? Infinity : milliseconds(firstOutput),
    chatter: milliseconds(script.chatter ?? '30s'),
    silence: silence
      ? {
          from: milliseconds(silence.from),
          until: silence.until === undefined ? Infinity : milliseconds(silence.until),
        }
      : { from: Infinity, until: Infinity },
    works: works === 'forever' ? Infinity : milliseconds(works),
    ends: script.ends ?? 'done',
    heedsMessages: script.heedsMessages ?? false,
    ignoresSigterm: script.ignoresSigterm ?? false,
    changesNothing: script.changesNothing ?? false,
    retryAfter: script.retryAfter === undefined ? undefined : milliseconds(script.retryAfter),
    costUsd: script.costUsd,
  };
}

/** @returns when an agent that has run for `since` next says something, on its own clock; Infinity for never. */
export function nextOutput(plan: AgentPlan, since: number): number {
  const { firstOutput, chatter, silence } = plan;
  if (firstOutput === Infinity) return Infinity;
  const nth = Math.max(0, Math.floor((since - firstOutput) / chatter) + 1);
  const at = since < firstOutput ? firstOutput : firstOutput + nth * chatter;
  if (at < silence.from || at >= silence.until) return at;
  return silence.until === Infinity ? Infinity : Math.max(silence.until, since + 1);
}

/** @returns when it says something for the last time up to `until`, on its own clock; -Infinity for not at all. */
export function lastOutput({ firstOutput, chatter, silence }: AgentPlan, until: number): number {
  const upTo = (limit: number): number =>
    limit < firstOutput ? -Infinity : firstOutput + Math.floor((limit - firstOutput) / chatter) * chatter;
  const at = upTo(until);
  if (at < silence.from || at >= silence.until) return at;
  // Durations are whole milliseconds, and the first one of the silence is silent.
  return upTo(silence.from - 1);
}
