import type { ChaosBead } from './bead-watch.js';
import { waitsForRemote } from './operator.js';
import { seenWithin } from './until.js';

/** A bead that waits for a person may be freed by its rig: only when all have stood still for so long nothing comes. */
const usuallyStill = 10_000;

/**
 * Resolves when all beads have ended, when none of the others can get on without a person who is not there, or when the
 * time is over.
 * @param open the beads that have not ended, as they were last seen.
 * @param within milliseconds; so is `stillFor`.
 */
export async function settled(
  open: () => readonly ChaosBead[],
  within: number,
  stop: AbortSignal,
  stillFor = usuallyStill,
): Promise<void> {
  let before = '';
  let since = performance.now();
  await seenWithin(within, stop, () => {
    const beads = open();
    const helpless = beads.every(({ view }) => view?.status === 'blocked' && !waitsForRemote(view));
    const now = beads.map(({ id, view }) => `${id} ${view?.attempts.length}`).join();
    if (!helpless || now !== before) since = performance.now();
    before = now;
    return beads.length === 0 || performance.now() - since > stillFor ? true : undefined;
  });
}
