import type { RunningAgent } from './agent/running-agent.js';
import type { Lease } from './lease/lease.js';

/**
 * A part of the supervisor: one concern, with what it does at each moment in the life of an attempt. The supervisor has
 * a list of parts and tells all of them of each moment, in this order:
 *
 * ```
 * fencing ──► spawned ──────────► ending ──────────► ended ─────────► recorded ───────► reported
 *    the fence    the agent works    processes end     work is saved    result is told
 * ```
 */
export interface Part {
  /** The runner stands at the fence; there is no agent yet, and perhaps there never will be. */
  fencing?(): void;
  /**
   * The agent was spawned just now, and the lease is held. A part that is a loop returns its end, for which the
   * supervisor waits after {@link reported}.
   */
  spawned?(agent: RunningAgent, lease: Lease): Promise<void> | void;
  /** Its program had ended without a report and was answered: this is the run that goes on in its conversation. */
  answered?(agent: RunningAgent): void;
  /** The attempt is being ended, for whatever cause: its processes are ended next. */
  ending?(): void;
  /** No process of the attempt is left. */
  ended?(): void;
  /** Its work is saved, and its result is on disk. */
  recorded?(): void;
  /** The result was reported, or reporting it was given up for now: the runner ends. */
  reported?(): void;
}

/** A moment of which every part is told, without anything to tell about it. */
export type Moment = Exclude<keyof Part, 'spawned' | 'answered'>;
