/** Why an order of an operator makes no sense to a rig now. @module */
import type { ConfigureRig, RigState } from '../../contract/index.js';
import { approversChangeProblem } from '../approval/approval.js';
import { changeSettings, rigSettingsProblem } from './settings.js';
import { rigStatus } from './state.js';

const orderProblem = (s: RigState): string | undefined => (s.removed ? `rig ${s.rig} is being removed` : undefined);

/** @returns whether somebody holds something of the rig, or waits for it. */
const inUse = (s: RigState): boolean => s.grants.length + s.waiting.length + s.queue.length + s.merging.length > 0;

export const pauseRigProblem = (s: RigState): string | undefined =>
  orderProblem(s) ?? (s.paused ? 'the rig is already paused' : undefined);

export const resumeRigProblem = (s: RigState): string | undefined =>
  orderProblem(s) ??
  (rigStatus(s) === 'active' ? 'the rig is neither paused nor stopped, and its breaker is closed' : undefined);

/**
 * @param change unchecked: it may come from anybody.
 * @param namespace the server's, which a signature names.
 */
export function configureProblem(s: RigState, change: unknown, namespace: string): string | undefined {
  const removed = orderProblem(s);
  if (removed !== undefined) return removed;
  if (typeof change !== 'object' || change === null || Array.isArray(change))
    return 'settings are changed by one object: {"maxAgents": 3, …}';
  const { signature, ...wanted } = change as ConfigureRig;
  const after = changeSettings(s.settings, wanted);
  const problem = rigSettingsProblem(after) ?? approversChangeProblem(s, after.approvers, signature, namespace);
  if (problem !== undefined) return problem;
  if (!inUse(s)) return undefined;
  if (wanted.repo !== undefined && wanted.repo !== s.settings.repo)
    return (
      'the repository can only be changed while no bead runs, waits or is to be merged; add another rig for the ' +
      'new one'
    );
  return after.refPrefix !== s.settings.refPrefix
    ? 'the ref prefix can only be changed while no bead runs, waits or is to be merged'
    : undefined;
}

/** @param force unchecked: it may come from anybody. */
export function removeRigProblem(s: RigState, force: unknown): string | undefined {
  const removed = orderProblem(s);
  if (removed !== undefined || force === true || !inUse(s)) return removed;
  const { grants, waiting, queue, merging } = s;
  return (
    `the rig is in use: agents that run: ${grants.length}; beads that wait for one: ${waiting.length}; to be ` +
    `merged: ${queue.length + merging.length}. Cancel them first, or remove it with force`
  );
}
