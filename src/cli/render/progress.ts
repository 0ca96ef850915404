import type { BeadDescription } from '../../client/describe.js';
import type { BeadView } from '../../contract/index.js';
import { doing } from '../../operator/doing.js';
import { oneLine } from './format.js';

/** @returns where a bead stands, in one line without its id: `in_progress, agent working, attempt 2: writing files`. */
export function progressLine(view: BeadView, description?: BeadDescription): string {
  const parts: string[] = [view.status];
  if (view.agent !== 'none') parts.push(`agent ${view.agent}`);
  if (view.current !== undefined) parts.push(`attempt ${view.current.number}`);
  return `${parts.join(', ')}: ${oneLine(doing(view, description), 160)}`;
}
