import { elapsed } from '../instant.js';
import { sleep } from '../time.js';
import type { Time } from '../time.js';
import type { AttemptWork } from './attempt-work.js';

/**
 * The last push is worth waiting for: the next attempt may be on another host. But not for ever: the work stays on this
 * disk.
 */
const lastPushMs = 60_000;
/** Finished work is worth more than a save; what takes longer is pushed by its host when the attempt has ended. */
const finishedPushMs = 5 * 60_000;
const pushAgainMs = 2_000;

/** Saves and pushes what an attempt has left in its worktree, now that no process changes it any more. */
export async function saveLast(keeper: AttemptWork, time: Time): Promise<void> {
  const begun = time.now();
  while (keeper.hasWorktree()) {
    // What was called done and refused may pass by now: a login was renewed, or a disk emptied over there.
    await keeper.pushKept(finishedPushMs);
    const saved = await keeper.save(lastPushMs);
    // A reported branch is pushed already: what else there is need not be waited for.
    if (keeper.report?.kind === 'done' || elapsed(begun, time.now()) > lastPushMs) return;
    const waits =
      keeper.kept?.mayPass === true || (saved?.pushed !== true && keeper.pushProblem !== undefined && keeper.mayPass);
    if (!waits) return;
    await sleep(time, pushAgainMs);
  }
}
