import type { RigInput, RigState } from '../../contract/index.js';
import { closedBreaker } from './breaker.js';
import { inForce } from './stops.js';

/** @returns the state of a rig at its start. The input has been checked (`rigInputProblem`). */
export function initialRig({ rig, settings }: RigInput, now: number): RigState {
  return {
    rig,
    settings,
    version: 1,
    paused: false,
    removed: false,
    breaker: closedBreaker,
    grants: [],
    waiting: [],
    queue: [],
    merging: [],
    merged: [],
    notMerged: [],
    news: [],
    newsCount: 0,
    malformed: 0,
    story: [{ at: now, text: 'added' }],
    runs: 1,
  };
}

/** What a rig is at, in a word; shown in the search attribute `BeadStatus`. */
export type RigStatus = 'active' | 'paused' | 'breaker' | 'stopped' | 'removed';
export function rigStatus(s: RigState): RigStatus {
  if (s.removed) return 'removed';
  if (s.paused) return 'paused';
  if (s.breaker.open) return 'breaker';
  return (s.stops ?? []).some(inForce) ? 'stopped' : 'active';
}
