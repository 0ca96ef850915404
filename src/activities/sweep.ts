import { isFinal, refNames } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import { endedBead } from '../domain/bead/ended.js';
import type { EndedBead } from '../domain/bead/ended.js';
import { durationText } from '../domain/words.js';
import { exists, GitError, mirrorPath, pushLastSave, removeProvenWorktree, tidyBead } from '../git/index.js';
import type { PushLastSaveOptions, Removal } from '../git/index.js';
import { inspectAttempt } from '../runner/index.js';
import type { AttemptDir } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { askBead, isUnknown } from './start/announce-attempt.js';
import type { Preparations } from './start/preparations.js';
import { tearDown } from './tear-down.js';
import { removeUnusedWorkspace } from './workspace.js';

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
  else await removeUnusedWorkspace(deps.host, dir, repo);
  deps.host.logger.info(
    { bead: dir.bead, attempt: dir.attempt },
    'removed what was prepared for an attempt that never started',
  );
}

/** Remotes of which it was said that they do not let refs go: once by each worker is enough. */
const refusingRemotes = new Set<string>();

/**
 * Looks after an attempt that has ended: its credentials are removed at once, what its rig wants done then is done, its
 * worktree is removed once its bead has gone on to another attempt, or has ended, and the remote has shown that nothing
 * in it would be lost; a last save that the remote had not taken is pushed again for that, unless the bead was
 * cancelled. Until then a person may want to look at it. Once the bead is closed, the refs that it needs no more go
 * from this host's mirror, and from the remote by the host of the attempt that finished it. Logs and result stay for a
 * month. All of it is some forty git processes, which wait while a start is on its way here.
 * @returns whether nothing is left to be done; false: it is to be tried again.
 * @throws what the server or the remote answers when they cannot tell.
 */
export async function tidyEnded(deps: ActivityDeps, dir: AttemptDir): Promise<boolean> {
  // Whoever still reports its end has read them before.
  const over = (await dir.readResult()) !== undefined;
  if (over) await dir.forgetSecrets();
  if (await dir.tidied()) return true;
  if (over) await tearDown(deps, dir);
  await deps.host.places.betweenStarts();
  const repo = (await dir.readInput())?.repo;
  if (repo === undefined) return true;
  const bead = await askBead(deps, dir.bead);
  // A database that was restored, another namespace: nobody but this host knows of the work any more.
  if (bead === undefined && (await isUnknown(deps, dir.bead))) await dir.markForgotten();
  if ((await exists(dir.worktree)) && !(await tidyWorktree(deps, dir, repo, bead))) return false;
  if (bead !== undefined && !isFinal(bead.status)) return false;
  const ended = bead === undefined ? undefined : endedBead(bead);
  await deps.host.places.betweenStarts();
  await dir.markTidied(ended === undefined ? 'its refs are kept' : await tidyRefs(deps, dir, repo, ended));
  return true;
}

/** @returns whether the worktree is gone. */
async function tidyWorktree(
  { host }: ActivityDeps,
  dir: AttemptDir,
  repo: string,
  bead: BeadView | undefined,
): Promise<boolean> {
  if (bead !== undefined && !isFinal(bead.status) && (bead.current ?? bead.attempts.at(-1))?.id === dir.attempt)
    return false;
  const turn = host.turns.tryTake(dir);
  if (turn === undefined) return false;
  try {
    if ((await inspectAttempt(dir)).kind !== 'ended') return false;
    const workspace = (await dir.readInput())?.workspace;
    const savedHere = workspace?.saves?.policy === 'host';
    const work: WorkOfAttempt = {
      mirror: mirrorPath(host.mirrors, repo),
      remote: repo,
      bead: dir.bead,
      attempt: dir.attempt,
      refPrefix: workspace?.refPrefix,
    };
    const remove = (): Promise<Removal> =>
      removeProvenWorktree({
        ...work,
        path: dir.worktree,
        ended: bead === undefined ? undefined : endedBead(bead),
        savedHere,
      }).catch(async (error: unknown) => {
        if (error instanceof GitError) await dir.markTreeKept(error.message);
        throw error;
      });
    let removal = await remove();
    if (removal.unpushed === true && !savedHere) {
      const problem = bead?.status === 'cancelled' ? 'its bead was cancelled' : await pushAgain(dir, work);
      removal =
        problem === undefined
          ? await remove()
          : { removed: false, reason: `${removal.reason}; its last save was not pushed: ${problem}` };
    }
    const { removed, reason } = removal;
    if (!removed) await dir.markTreeKept(reason);
    host.logger.info(
      { bead: dir.bead, attempt: dir.attempt, removed, reason },
      removed ? 'the worktree of an ended attempt was removed' : 'the worktree of an ended attempt is kept',
    );
    return removed;
  } finally {
    turn.end();
  }
}

type WorkOfAttempt = Omit<PushLastSaveOptions, 'pushed' | 'signal'>;

/** A remote that is slow keeps the rest of the tidying waiting no longer than its answer to a question may. */
const pushWithinMs = 2 * 60_000;

/**
 * The remote refused the attempt's last push, or did not answer: perhaps it does now.
 * @returns why it was not pushed; undefined when the remote has it.
 */
async function pushAgain(dir: AttemptDir, work: WorkOfAttempt): Promise<string | undefined> {
  const checkpoint = (await dir.readResult())?.checkpoint;
  const pushed = checkpoint?.ref === refNames(work.refPrefix).wip(dir.bead, dir.attempt) ? checkpoint.sha : undefined;
  const signal = AbortSignal.timeout(pushWithinMs);
  try {
    return await pushLastSave({ ...work, pushed, signal });
  } catch (error) {
    if (signal.aborted) return `it took longer than ${durationText(pushWithinMs)}`;
    if (error instanceof GitError) return error.message;
    throw error;
  }
}

/** @returns what was done, in words. */
async function tidyRefs({ host }: ActivityDeps, dir: AttemptDir, repo: string, bead: EndedBead): Promise<string> {
  const remote = bead.attempt === dir.attempt;
  const refPrefix = (await dir.readInput())?.workspace?.refPrefix;
  const tidied = await tidyBead({ mirrors: host.mirrors, repo, bead, remote, refPrefix });
  if (tidied === undefined) return 'there is no mirror here, so that nothing could be proven';
  const { deleted, here, refused, kept } = tidied;
  host.logger.info(
    { bead: dir.bead, attempt: dir.attempt, deleted, here, kept },
    'the refs that an ended bead needs no more were removed',
  );
  if (refused.length > 0 && !refusingRemotes.has(repo)) {
    refusingRemotes.add(repo);
    host.logger.warn(
      { bead: dir.bead, refused },
      'the remote does not let refs of ended beads go; they stay there, and do no harm (`heartbead tidy ' +
        '--remote` tries again)',
    );
  }
  return (
    `${deleted.length} refs removed from the remote, ${here.length} here, ${refused.length} refused, ` +
    `${kept.length} kept`
  );
}
