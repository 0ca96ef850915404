import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import type { WorkKeeper } from './work-keeper.js';

/**
 * The last push is worth waiting for: the next attempt may be on another host. But not for ever: the work stays on this
 * disk.
 */
const lastPushMs = 60_000;
const pushAgainMs = 2_000;

/** Saves and pushes what an attempt has left in its worktree, now that no process changes it any more. */
export async function saveLast(dir: AttemptDir, keeper: WorkKeeper): Promise<void> {
  const until = performance.now() + lastPushMs;
  while (existsSync(dir.worktree)) {
    // What was called done and refused may pass by now: a login was renewed, or a disk emptied over there.
    await keeper.pushKept();
    const saved = await keeper.save(lastPushMs);
    // A reported branch is pushed already: what else there is need not be waited for.
    if (keeper.report?.kind === 'done' || performance.now() > until) return;
    const waits =
      keeper.kept?.mayPass === true || (saved?.pushed !== true && keeper.pushProblem !== undefined && keeper.mayPass);
    if (!waits) return;
    await sleep(pushAgainMs);
  }
}
