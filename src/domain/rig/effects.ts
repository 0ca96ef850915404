/** What a rig's state asks of its workflow. @module */
import type { RigNews, RigState, RunningMerge } from '../../contract/index.js';
import { nextStopProbe } from './stops.js';

/** What the workflow has to do now. Each has a key; while one is under way it is not begun again. */
export type RigErrand =
  | { do: 'grant'; key: string; bead: string; workflowId: string; probe: boolean; ahead?: boolean }
  | { do: 'tell'; key: string; news: RigNews }
  | { do: 'merge'; key: string; merge: RunningMerge };

/** A grant that was made before a pause or an opening, and not yet sent, waits too. */
const mayTell = (s: RigState, probe: boolean): boolean => !s.paused && !s.removed && (!s.breaker.open || probe);

/** @returns what the state asks for. */
export function rigErrands(s: RigState): RigErrand[] {
  return [
    ...s.grants
      .filter(({ told, probe }) => told !== true && mayTell(s, probe))
      .map(({ bead, workflowId, probe, ahead }): RigErrand => ({
        do: 'grant',
        key: `grant ${workflowId}`,
        bead,
        workflowId,
        probe,
        ahead,
      })),
    ...s.news.map((news): RigErrand => ({ do: 'tell', key: `news ${news.id}`, news })),
    ...s.merging.map((merge): RigErrand => ({ do: 'merge', key: `merge ${merge.workflowId} ${merge.sha}`, merge })),
  ];
}

/** @returns whether a removed rig has nothing left to do. */
export const rigOver = (s: RigState): boolean =>
  s.removed && s.grants.length === 0 && s.merging.length === 0 && s.news.length === 0;

/** @returns whether somebody holds something of the rig, or waits for it. */
export const rigInUse = (s: RigState): boolean =>
  s.grants.length + s.waiting.length + s.queue.length + s.merging.length > 0;

/** @returns the workflows whose end would set something free. */
export const holders = (s: RigState): string[] => [
  ...new Set([...s.grants, ...s.merging, ...s.queue].map(({ workflowId }) => workflowId)),
];

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
