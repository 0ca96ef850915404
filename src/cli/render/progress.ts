import type { BeadDescription } from '../../client/describe.js';
import type { BeadView } from '../../contract/index.js';
import { oneLine } from './format.js';

/** @returns where a bead stands, in one line without its id: `in_progress, agent working, attempt 2: writing files`. */
export function progressLine(view: BeadView, description?: BeadDescription): string {
  const parts: string[] = [view.status];
  if (view.agent !== 'none') parts.push(`agent ${view.agent}`);
  if (view.current !== undefined) parts.push(`attempt ${view.current.number}`);
  return `${parts.join(', ')}: ${oneLine(doing(view, description), 160)}`;
}

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
