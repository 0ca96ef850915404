import type { BeadDescription, PendingActivity } from '../client/describe.js';
import type { BeadView } from '../contract/index.js';
import { oneLine, relative } from '../domain/words.js';

/**
 * @param description with it, also what a host does during a cold start: that is told by activity heartbeats, which the
 * bead itself does not see.
 * @returns what a bead does right now.
 */
export function doing(view: BeadView, description?: BeadDescription): string {
  const beat = description?.pendingActivities.find(({ type }) => type === 'startAgent')?.details;
  if (view.agent === 'starting' && beat !== undefined && beat.attempt === view.current?.id) return beat.text;
  if (view.current?.activity !== undefined && view.agent === 'working') return view.current.activity;
  if (view.wait !== undefined) return view.wait.text;
  return view.reason;
}

/** @returns a pending activity in one line: `startAgent started, last beat 3 s ago: cloning 43 %`. */
export function pendingSentence(activity: PendingActivity, now: number): string {
  const beat = activity.lastBeatAt === undefined ? 'no beat yet' : `last beat ${relative(activity.lastBeatAt, now)}`;
  const details = activity.details?.text === undefined ? '' : `: ${oneLine(activity.details.text)}`;
  const failed = activity.lastFailure === undefined ? '' : ` (last failure: ${oneLine(activity.lastFailure)})`;
  return `${activity.type} ${activity.state}, ${beat}${details}${failed}`;
}
