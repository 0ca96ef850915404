import { isFinal } from '../contract/index.js';
import type { AttemptDir } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { askBead } from './start/claim.js';
import type { Preparations } from './start/preparations.js';
import { discardWorkspace } from './workspace.js';

/**
 * Looks after an attempt that came here, never got an agent, and was left by everybody (a worker that died in mid-clone, a bead that was terminated): what
 * was prepared for it is removed once its bead has moved on. The caller holds the attempt's turn.
 * @throws what the server answers when it cannot tell.
 */
export async function sweepUnstarted(deps: ActivityDeps, preparations: Preparations, dir: AttemptDir): Promise<void> {
  const bead = await askBead(deps, dir.bead);
  if (bead !== undefined && bead.current?.id === dir.attempt && !isFinal(bead.status)) return;
  await preparations.abandon(dir);
  const repo = (await dir.readInput())?.repo;
  if (repo === undefined) await dir.remove();
  else await discardWorkspace(deps.host, dir, repo);
  deps.host.logger.info({ bead: dir.bead, attempt: dir.attempt }, 'removed what was prepared for an attempt that never started');
}
