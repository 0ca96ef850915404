import { join } from 'node:path';
import { attemptRefs } from '../contract/index.js';
import type { Checkpoint } from '../contract/index.js';
import { commitOf, parentsOf, treeOf } from './commits.js';
import { tellingDiskFailures } from './disk-failure.js';
import { GitError } from './git-error.js';
import { checkedIds, checkedPath, checkedRepo } from './git-input.js';
import { removeStaleLock } from './leftovers.js';
import { pushOwnRefs } from './push-ref.js';
import { remoteRefs } from './remote-refs.js';
import { runGit } from './run-git.js';
import { secureMirrorOf } from './secure-mirror.js';
import { usualSaveRules } from './save-rules.js';
import { takeSnapshot } from './snapshot.js';
import { commitTree } from './wip-commit.js';

export interface SaveWipOptions {
  worktree: string;
  bead: string;
  attempt: string;
  push: boolean;
  /** URL or path of the repository. */
  remote: string;
  /** The commit that is known to stand at the attempt's ref on the remote, by an earlier answer of this function. */
  known?: string | undefined;
  signal?: AbortSignal | undefined;
  /** What the attempt began with; the checkpoint then says whether it holds anything else (`gained`). */
  since?: string;
}

export interface SavedWip {
  /** Valid on every host only when `pushed`. */
  checkpoint: Checkpoint;
  /** Whether the remote has this checkpoint: it was read back there, now or when `known` was told. */
  pushed: boolean;
  /**
   * False when HEAD and working tree are as they were at the last save: nothing was made (a push that had failed is
   * made up for all the same).
   */
  changed: boolean;
  /** Why the push failed; the work is saved on this host nevertheless. */
  pushProblem?: GitError;
  /** What could not be saved, in git's words (unreadable files, repositories within); absent when everything was. */
  unsaved?: string[];
}

/**
 * Saves the whole working tree, without what is ignored, as a commit on top of the agent's HEAD, and pushes it to the
 * attempt's own ref. With a clean tree the ref points to HEAD itself. The agent's index, HEAD, branch and locks are not
 * touched. One save at a time per attempt.
 * @throws GitError when the work could not be saved on this host; the signal's reason when it was aborted.
 */
export async function saveWip(options: SaveWipOptions): Promise<SavedWip> {
  return tellingDiskFailures('saving work in progress', () => save(options));
}

async function save(options: SaveWipOptions): Promise<SavedWip> {
  const { worktree, bead, attempt, push, remote, known, signal, since } = options;
  checkedIds(bead, attempt);
  const place = { worktree: checkedPath(worktree) };
  const url = checkedRepo(remote);
  const ref = attemptRefs.wip(bead, attempt);
  await secureMirrorOf(worktree, url);
  const { head, tree, unsaved } = await consistentSnapshot(worktree, signal);

  const last = await commitOf(place, ref, signal);
  const clean = head !== undefined && tree === (await treeOf(place, head, signal));
  const sha = clean
    ? head
    : ((await sameSave(place, last, head, tree, signal)) ??
      (await commitTree(place, {
        tree,
        parent: head,
        subject: `Work in progress of bead ${bead}, attempt ${attempt}`,
        attempt,
        signal,
      })));
  const changed = sha !== last;
  // The local ref keeps the commit findable, and is what the next save is compared with.
  if (changed) await setOwnRef(worktree, ref, sha, signal);

  const begunWith = since === undefined ? undefined : await treeOf(place, since, signal);
  const gained = begunWith !== undefined && begunWith !== tree;
  const saved: SavedWip = {
    checkpoint: { sha, ref, wip: !clean, ...(gained ? { gained } : {}) },
    pushed: false,
    changed,
    ...(unsaved.length > 0 ? { unsaved } : {}),
  };
  // The caller's memory, not a ref: whatever writes refs here could claim a push that never was.
  if (known === sha) return { ...saved, pushed: true };
  if (!push) return saved;
  try {
    await pushOwnRefs(worktree, {
      remote: url,
      refs: [{ sha, ref }],
      doing: 'pushing work in progress',
      submodules: 'no',
      signal,
    });
    const found = (await remoteRefs(url, [ref], 'reading the pushed work back', signal)).refs.get(ref);
    if (found === sha) return { ...saved, pushed: true };
    throw new GitError(
      'rejected',
      `the push of work in progress was accepted, but the remote has ${found ?? 'nothing'} at ${ref}: look for a hook, a mirror or a URL rewrite in front of the remote`,
    );
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return { ...saved, pushProblem: error };
  }
}

/** A snapshot and the HEAD it stands on; taken again when the agent commits in between. */
async function consistentSnapshot(
  worktree: string,
  signal: AbortSignal | undefined,
): Promise<{ head: string | undefined; tree: string; unsaved: string[] }> {
  for (let tried = 1; ; tried += 1) {
    const head = await commitOf({ worktree }, 'HEAD', signal);
    const { tree, unsaved } = await takeSnapshot(worktree, signal, { rules: usualSaveRules });
    // An agent that commits all the time is saved on top of a commit that is not its newest; nothing is lost by that.
    if (tried === 3 || (await commitOf({ worktree }, 'HEAD', signal)) === head) return { head, tree, unsaved };
  }
}

/** @returns the last save when it holds the same tree on the same HEAD. */
async function sameSave(
  place: { worktree: string },
  last: string | undefined,
  head: string | undefined,
  tree: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (last === undefined || (await treeOf(place, last, signal)) !== tree) return undefined;
  const parents = await parentsOf(place, last, signal);
  return parents.length === (head === undefined ? 0 : 1) && parents[0] === head ? last : undefined;
}

async function setOwnRef(worktree: string, ref: string, sha: string, signal: AbortSignal | undefined): Promise<void> {
  const { stdout } = await runGit({ worktree }, ['rev-parse', '--path-format=absolute', '--git-common-dir'], {
    doing: 'finding the mirror',
    signal,
  });
  // Left by a runner of this attempt that was killed at this very step; no other process writes this ref.
  await removeStaleLock(join(stdout.trim(), `${ref}.lock`), signal);
  await runGit({ worktree }, ['update-ref', '--end-of-options', ref, sha], { doing: 'recording saved work', signal });
}
