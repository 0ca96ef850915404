import { stat } from 'node:fs/promises';
import type { Activities } from '../contract/index.js';
import { mirrorPath, removeWorktree } from '../git/index.js';
import { inspectAttempt } from '../runner/index.js';
import type { AttemptDir } from '../runner/index.js';
import { withBeats } from './beats.js';
import type { ActivityDeps } from './deps.js';
import { gitFailure } from './failures.js';
import { readInput } from './input.js';
import type { Preparations } from './start/preparations.js';
import { discardWorkspace } from './workspace.js';

/**
 * `cleanUpAttempt`: removes the worktree of an attempt that is over, if its commits and its uncommitted work are proven to be on the remote; says why
 * not otherwise. Logs and result stay. Idempotent.
 */
export function makeCleanUpAttempt({ host }: Pick<ActivityDeps, 'host'>, preparations: Preparations): Activities['cleanUpAttempt'] {
  return async (given) => {
    const input = readInput('cleanUpAttempt', given);
    const { bead, attempt, repo } = input;
    const dir = host.attemptDir(input);
    return withBeats(`cleans up after attempt ${attempt}`, async () => {
      const turn = await host.turns.take(dir);
      try {
        const found = await inspectAttempt(dir);
        switch (found.kind) {
          case 'running':
            return { removed: false, reason: 'the attempt is still running' };
          case 'missing':
            return { removed: true, reason: 'there is nothing of the attempt on this host' };
          case 'unstarted':
            await preparations.abandon(dir);
            await discardWorkspace(host, dir, repo);
            return { removed: true, reason: 'no agent ever worked there' };
          case 'dead':
            await host.reap(dir, 'its runner had died before it was cleaned up');
            break;
          case 'ended':
            break;
          default:
            found satisfies never;
        }
        if (!(await hasWorktree(dir))) return { removed: true, reason: 'the worktree is gone already' };
        return await removeWorktree({ mirror: mirrorPath(host.mirrors, repo), path: dir.worktree, remote: repo, bead, attempt });
      } catch (error) {
        throw gitFailure(error);
      } finally {
        turn.end();
      }
    });
  };
}

/** @returns whether the attempt has a worktree on this host. */
export async function hasWorktree(dir: AttemptDir): Promise<boolean> {
  try {
    await stat(dir.worktree);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
