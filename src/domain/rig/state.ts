import { formerClocks } from '../../contract/index.js';
import type { Grant, Granted, RigInput, RigSettings, RigState } from '../../contract/index.js';
import { closedBreaker } from './breaker.js';
import { readSettings } from './settings.js';
import { inForce } from './stops.js';

/** @returns the state of a rig at its start. The input has been checked (`rigInputProblem`). */
export function initialRig({ rig, settings }: RigInput, now: number): RigState {
  return {
    rig,
    settings: readSettings(settings),
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

/** @returns the state that another run has left, of this build or an earlier one. */
export const carriedRig = (state: RigState): RigState => ({ ...state, settings: readSettings(state.settings) });

/**
 * @returns settings as a bead or rig of an earlier build reads them: it refuses names of clocks that it does not know,
 * and an upgrade can be rolled back.
 */
const settingsForAnyBuild = (settings: RigSettings): RigSettings =>
  settings.clocks === undefined ? settings : { ...settings, clocks: formerClocks(settings.clocks) };

/** @returns what a bead is told of its grant. */
export const grantedBy = (
  { version, settings }: RigState,
  { bead, probe, ahead }: Pick<Grant, 'bead' | 'probe' | 'ahead'>,
): Granted => ({ bead, version, settings: settingsForAnyBuild(settings), probe: probe ? true : undefined, ahead });

export function nextRigInput({ rig }: RigInput, state: RigState): RigInput {
  const settings = settingsForAnyBuild(state.settings);
  return { rig, settings, carried: { ...state, settings } };
}

/** What a rig is at, in a word; shown in the search attribute `BeadStatus`. */
export type RigStatus = 'active' | 'paused' | 'breaker' | 'stopped' | 'removed';
export function rigStatus(s: RigState): RigStatus {
  if (s.removed) return 'removed';
  if (s.paused) return 'paused';
  if (s.breaker.open) return 'breaker';
  return (s.stops ?? []).some(inForce) ? 'stopped' : 'active';
}
