/**
 * What a bead's state asks of its workflow. The workflow carries it out, and so does the model of the simulation;
 * neither decides.
 * @module
 */
import { isFinal } from '../../contract/index.js';
import type { BeadState, CurrentAttempt, Outcome } from '../../contract/index.js';
import { nextBeadDeadline } from './deadline.js';
import { mayDispatch, wordToRig } from './landing.js';
import type { RigWord } from './landing.js';

/** A host that answers at all does so within this; its worker polls all the time. */
export const hostAnswersWithin = 30_000;
/** Distance between two tries to tell a host something. */
export const tellAgainAfter = 10_000;

/** What has to be done now. Each has a key; while one is under way it is not begun again. */
export type BeadEffect =
  // While an attempt is under way; none of these waits for another.
  /** Schedule `startAgent`: every doubt has one answer, to schedule it once more for the same attempt. */
  | { do: 'start'; key: string; attempt: CurrentAttempt; adoptOn?: string }
  /** Without a host the cancellation of the queued activity is all there is to do. */
  | { do: 'stop'; key: string; host?: string; outcome: Outcome; reason: string }
  | { do: 'tellPause'; key: string; host: string; paused: boolean }
  | { do: 'deliver'; key: string; host: string; message: BeadState['messages'][number] }
  // Between attempts; one at a time.
  | { do: 'tellRig'; key: string; word: RigWord }
  /** Look whether a lost attempt had finished its work. */
  | { do: 'salvage'; key: string; salvage: NonNullable<BeadState['salvage']> }
  /** Let the host that keeps finished commits push them once more. */
  | { do: 'offer'; key: string; unpushed: NonNullable<BeadState['unpushed']> }
  | { do: 'verify'; key: string }
  | { do: 'dispatch'; key: string };

/** @returns what the state asks for: nothing when it only waits, or has ended. */
export function beadEffects(s: BeadState): BeadEffect[] {
  if (s.current !== undefined && !isFinal(s.status)) return attemptEffects(s, s.current);
  const next = effectBetween(s);
  return next === undefined ? [] : [next];
}

function attemptEffects(s: BeadState, attempt: CurrentAttempt): BeadEffect[] {
  const { id, host, stopping } = attempt;
  const effects: BeadEffect[] = [];
  const start = startEffect(attempt);
  if (start !== undefined) effects.push(start);
  if (stopping !== undefined) {
    const { outcome, reason } = stopping;
    effects.push({ do: 'stop', key: `stop ${id}`, host, outcome, reason });
    return effects;
  }
  // Only a runner that can be spoken to is told anything.
  if (attempt.spawnedAt === undefined || host === undefined || attempt.suspectSince !== undefined) return effects;
  if (attempt.pauseTold !== s.paused) effects.push({ do: 'tellPause', key: `pause ${id}`, host, paused: s.paused });
  // In order. What the agent does not take up goes into the next attempt's input.
  const message = s.messages.find(({ deliveredTo }) => deliveredTo !== id);
  if (message !== undefined) effects.push({ do: 'deliver', key: `deliver ${id}`, host, message });
  return effects;
}

/** @returns how an attempt is watched; undefined when nothing is to be adopted any more: the stop asks the host. */
export function startEffect(attempt: CurrentAttempt): Extract<BeadEffect, { do: 'start' }> | undefined {
  const { id, host, adopting, stopping } = attempt;
  if (stopping !== undefined && adopting) return undefined;
  return { do: 'start', key: `start ${id}`, attempt, adoptOn: adopting ? host : undefined };
}

function effectBetween(s: BeadState): BeadEffect | undefined {
  const word = wordToRig(s);
  if (word !== undefined) return { do: 'tellRig', key: 'rig', word };
  if (isFinal(s.status)) return undefined;
  if (s.salvage !== undefined) return { do: 'salvage', key: 'salvage', salvage: s.salvage };
  const idle = s.paused || s.cancelling || s.wait !== undefined;
  if (s.unpushed !== undefined && !idle) return { do: 'offer', key: 'offer', unpushed: s.unpushed };
  if (s.wait?.for === 'verification') return { do: 'verify', key: 'verify' };
  return idle || !mayDispatch(s) ? undefined : { do: 'dispatch', key: 'dispatch' };
}

/** @returns whether a bead that had nothing to do has something to do now, or another deadline. */
export const restIsOver = (rested: BeadState, s: BeadState): boolean =>
  isFinal(s.status) || beadEffects(s).length > 0 || nextBeadDeadline(s)?.at !== nextBeadDeadline(rested)?.at;
