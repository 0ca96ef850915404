import type { BeadView } from '../contract/index.js';
import type { BeadClient } from './beads.js';
import type { BeadDescription } from './describe.js';
import { NoWorkerError } from './errors.js';

/** All that can be learned of a bead now. */
export interface BeadLook {
  description: BeadDescription;
  /** The bead's own account; absent when no worker could give it. */
  view?: BeadView;
  /** What a reader must know about the answer: it is partial, or the bead did not end by itself. */
  notes: string[];
}

/**
 * Asks the bead, and the server about the bead. When no worker answers, what the server knows by itself is all there
 * is, and `notes` says so.
 * @throws BeadNotFoundError
 */
export async function lookAt(beads: BeadClient, bead: string): Promise<BeadLook> {
  const [description, view] = await Promise.all([
    beads.describe(bead),
    beads.view(bead).catch((error: unknown) => {
      if (error instanceof NoWorkerError) return undefined;
      throw error;
    }),
  ]);
  const notes: string[] = [];
  if (description.ending !== undefined) {
    const by = description.ending.by === undefined ? '' : ` by ${description.ending.by}`;
    notes.push(
      `the workflow was ended from outside (${description.execution.toLowerCase().replace('_', ' ')}${by}): ` +
        description.ending.reason,
    );
    notes.push('what the bead says of itself below is its last state before that');
  }
  if (view === undefined) {
    notes.push(
      'no worker answered: this is what the server knows by itself, and it may be a moment old; start a ' +
        'worker with `heartbead up` for the whole picture',
    );
  }
  return { description, view, notes };
}
