/** What happens to a rig by itself, and when. @module */
import type { RigState } from '../../contract/index.js';
import { nextStopProbe } from './stops.js';

/** What happens next by itself, and when; undefined while the rig only waits for others. */
export function nextRigDeadline(s: RigState): { at: number; text: string } | undefined {
  if (s.paused || s.removed) return undefined;
  const soonest = s.queue.flatMap(({ notBefore, item }) =>
    notBefore === undefined ? [] : [{ at: notBefore, text: `${item} is merged again` }],
  );
  const { breaker } = s;
  const somebody =
    (s.waiting.length > 0 && s.grants.length < s.settings.maxAgents) || s.grants.some(({ told }) => told !== true);
  if (breaker.open && breaker.probeAt !== undefined && somebody && !s.grants.some(({ probe }) => probe)) {
    soonest.push({ at: breaker.probeAt, text: 'one attempt probes the infrastructure' });
  }
  const tries = s.grants.length < s.settings.maxAgents && !breaker.open ? nextStopProbe(s) : undefined;
  if (tries !== undefined) soonest.push({ at: tries, text: 'one attempt tries whether a shared cause is mended' });
  return soonest.sort((a, b) => a.at - b.at)[0];
}

/**
 * A holder that was terminated blocks a place for so long at most; every other end is told. About ten history events a
 * look, two of which are billable actions, and only while something is held.
 */
export const rigLookEvery = 3 * 60_000;
/** At most this many workflows in one look; the rest wait for the next. */
const lookedAtOnce = 500;

/**
 * @returns the workflows whose end would set something free, as many as one look takes. Terminated ones give nothing
 * back, so the rig looks from time to time whether they still live; holders of grants and of running merges come first.
 */
export const rigHolders = (s: RigState): string[] =>
  [...new Set([...s.grants, ...s.merging, ...s.queue].map(({ workflowId }) => workflowId))].slice(0, lookedAtOnce);
