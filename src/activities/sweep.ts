import { isFinal } from '../contract/index.js';
import { exists, mirrorPath, removeWorktree } from '../git/index.js';
import { inspectAttempt } from '../runner/index.js';
import type { AttemptDir } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { askBead } from './start/announce-attempt.js';
import type { Preparations } from './start/preparations.js';
import { discardWorkspace } from './workspace.js';

/**
 * Looks after an attempt that came here, never got an agent, and was left by everybody (a worker that died in
 * mid-clone, a bead that was terminated): what was prepared for it is removed once its bead has moved on. The caller
 * holds the attempt's turn.
 * @throws what the server answers when it cannot tell.
 */
export async function sweepUnstarted(deps: ActivityDeps, preparations: Preparations, dir: AttemptDir): Promise<void> {
  const bead = await askBead(deps, dir.bead);
  if (bead !== undefined && bead.current?.id === dir.attempt && !isFinal(bead.status)) return;
  await preparations.abandon(dir);
  const repo = (await dir.readInput())?.repo;
  if (repo === undefined) await dir.remove();
  else await discardWorkspace(deps.host, dir, repo);
  deps.host.logger.info(
    { bead: dir.bead, attempt: dir.attempt },
    'removed what was prepared for an attempt that never started',
  );
}

/**
 * Looks after an attempt that has ended: its credentials are removed at once, its worktree is removed once its bead has gone on to another attempt, or has
 * ended, and the remote has shown that nothing in it would be lost. Until then a person may want to look at it. Logs
 * and result stay.
 * @returns whether nothing is left to be done; false: it is to be tried again.
 * @throws what the server or the remote answers when they cannot tell.
 */
export async function sweepEnded(deps: ActivityDeps, dir: AttemptDir): Promise<boolean> {
  const { host } = deps;
  // Whoever still reports its end has read them before.
  if ((await dir.readResult()) !== undefined) await dir.forgetSecrets();
  const repo = (await dir.readInput())?.repo;
  if (repo === undefined || !(await exists(dir.worktree))) return true;
  const bead = await askBead(deps, dir.bead);
  if (bead !== undefined && !isFinal(bead.status) && (bead.current ?? bead.attempts.at(-1))?.id === dir.attempt)
    return false;
  const turn = host.turns.tryTake(dir);
  if (turn === undefined) return false;
  try {
    if ((await inspectAttempt(dir)).kind !== 'ended') return false;
    const { removed, reason } = await removeWorktree({
      mirror: mirrorPath(host.mirrors, repo),
      path: dir.worktree,
      remote: repo,
      bead: dir.bead,
      attempt: dir.attempt,
    });
    host.logger.info(
      { bead: dir.bead, attempt: dir.attempt, removed, reason },
      removed ? 'the worktree of an ended attempt was removed' : 'the worktree of an ended attempt is kept',
    );
    return removed;
  } finally {
    turn.end();
  }
}
