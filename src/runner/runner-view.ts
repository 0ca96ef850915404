import type { AttemptCell, BeatDetails, BeatPhase } from '../contract/index.js';
import type { AgentWatch } from './agent/agent-watch.js';
import { beatText } from './beat-text.js';
import type { FreezeReason, RunnerState } from './types.js';
import type { AttemptWork } from './end/attempt-work.js';

/** What the phase of a runner follows from. */
export interface PhaseFacts {
  spawned: boolean;
  ending: boolean;
  frozenBy: readonly FreezeReason[];
}

/** @returns the phase that beats carry. */
export function phaseOf({
  spawned,
  ending,
  frozenBy,
}: PhaseFacts): Extract<BeatPhase, 'spawning' | 'running' | 'frozen' | 'paused' | 'stopping'> {
  if (ending) return 'stopping';
  if (!spawned) return 'spawning';
  if (frozenBy.includes('lease')) return 'frozen';
  return frozenBy.length > 0 ? 'paused' : 'running';
}

/** @returns what `runner.json` says. */
export function stateOf(facts: PhaseFacts & { recorded: boolean }): RunnerState {
  if (facts.recorded) return 'ended';
  const phase = phaseOf(facts);
  return phase === 'spawning' ? 'fencing' : phase;
}

/** What the details of a beat are made of. */
export interface DetailFacts extends PhaseFacts {
  host: string;
  attempt: string;
  cell: AttemptCell;
  agentPid?: number | undefined;
  /** When the agent was spawned, by the host's clock (ms since the epoch). */
  spawnedAt?: number | undefined;
  orphan: boolean;
  watch: Pick<AgentWatch, 'lastProgressAt' | 'activity'>;
  keeper: Pick<AttemptWork, 'checkpoint' | 'pushProblem'>;
}

/** @returns the details of a beat that is sent at `now`. */
export function detailsOf(facts: DetailFacts, now: number): BeatDetails {
  const { host, attempt, cell, agentPid, spawnedAt = now, orphan, watch, keeper } = facts;
  const phase = phaseOf(facts);
  const text = beatText({
    phase,
    orphan,
    runningMs: now - spawnedAt,
    silentMs: watch.lastProgressAt === undefined ? undefined : now - watch.lastProgressAt,
    activity: watch.activity,
    pushProblem: keeper.pushProblem,
  });
  return {
    host,
    attempt,
    phase,
    text,
    pid: agentPid,
    checkpoint: keeper.checkpoint,
    cell,
  };
}
