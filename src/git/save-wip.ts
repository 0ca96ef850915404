import { attemptRefs, refNames } from '../contract/index.js';
import type { Checkpoint } from '../contract/index.js';
import type { AgentHead } from './agent-git.js';
import { commitOf, parentsOf, treeOf } from './commits.js';
import { tellingDiskFailures } from './disk-failure.js';
import { GitError } from './git-error.js';
import { checkedIds, checkedPath, checkedRepo } from './git-input.js';
import { bringIntoVault, emptyKeeper, headOf, throughKeeper, openKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { takeNewContents } from './lfs/take.js';
import { pushSave } from './push-save.js';
import { usualSaveRules } from './save-rules.js';
import type { SaveRules } from './save-rules.js';
import { secureMirror } from './secure-mirror.js';
import { takeSnapshot } from './snapshot.js';
import { commitTree, isWip } from './wip-commit.js';

export interface SaveWipOptions {
  worktree: string;
  bead: string;
  attempt: string;
  push: boolean;
  /** URL or path of the repository. */
  remote: string;
  /** The commit that is known to stand at the attempt's ref on the remote, by an earlier answer of this function. */
  known?: string | undefined;
  /** The commit that the bead's work began at, for a tree whose HEAD cannot be read; the keeper may know it as well. */
  base?: string | undefined;
  signal?: AbortSignal | undefined;
  /** What is left out; the usual rules when absent. */
  rules?: SaveRules | undefined;
  /** Whether snapshots carry a `Signed-off-by`. */
  signoff?: boolean | undefined;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
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
  /** Why it could not be saved on top of the agent's HEAD; absent when it was. */
  trouble?: string;
}

/**
 * Saves the whole working tree, without what is ignored, as a commit on top of the agent's HEAD into the vault, and
 * pushes it from there to the attempt's own ref. With a clean tree the ref points to HEAD itself. The agent's index,
 * HEAD, branch and locks are not touched. One save at a time per attempt.
 * @throws GitError when the work could not be saved on this host; the signal's reason when it was aborted.
 */
export async function saveWip(options: SaveWipOptions): Promise<SavedWip> {
  return tellingDiskFailures('saving work in progress', () => save(options));
}

async function save(options: SaveWipOptions): Promise<SavedWip> {
  const {
    worktree,
    bead,
    attempt,
    push,
    remote,
    known,
    base,
    since,
    signal,
    signoff,
    refPrefix,
    rules = usualSaveRules,
  } = options;
  checkedIds(bead, attempt);
  const url = checkedRepo(remote);
  const keeper = await openKeeper(checkedPath(worktree));
  const vault = { mirror: keeper.vault };
  await secureMirror(keeper.vault, url);
  const here = attemptRefs.wip(bead, attempt);
  const ref = refNames(refPrefix).wip(bead, attempt);
  const last = await commitOf(vault, here, signal);
  // Where HEAD cannot be built upon: what the last save was built upon, else where the attempt began.
  const basis = (await agentsCommit(vault, last, signal)) ?? keeper.start ?? base;

  const { sha, tree, wip, unsaved, trouble } = await saveIntoVault(keeper, {
    last,
    basis,
    ref: here,
    bead,
    attempt,
    rules,
    signoff,
    signal,
  });
  const begunWith = since === undefined ? undefined : await treeOf(vault, since, signal);
  const gained = begunWith !== undefined && begunWith !== tree;
  const saved: SavedWip = {
    checkpoint: { sha, ref, wip, gained: gained || undefined },
    pushed: false,
    changed: sha !== last,
    unsaved: unsaved.length > 0 ? unsaved : undefined,
    trouble,
  };
  // The caller's memory, not a ref: whatever writes refs here could claim a push that never was.
  if (known === sha) return { ...saved, pushed: true };
  if (!push) return saved;
  try {
    await pushSave(keeper.vault, url, { sha, ref }, signal);
    return { ...saved, pushed: true };
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return { ...saved, pushProblem: error };
  }
}

interface Saving {
  last: string | undefined;
  basis: string | undefined;
  ref: string;
  bead: string;
  attempt: string;
  rules: SaveRules;
  signoff: boolean | undefined;
  signal: AbortSignal | undefined;
}

interface InVault {
  sha: string;
  tree: string;
  wip: boolean;
  unsaved: string[];
  trouble?: string;
}

/**
 * Saves on top of HEAD. When HEAD, or something that it or the index needs, is not there to be saved (a power cut, a
 * hand that slipped), everything that stands in the tree is saved on top of the basis, and the trouble is told.
 */
async function saveIntoVault(keeper: Keeper, saving: Saving): Promise<InVault> {
  const { head, snapshot } = await consistentSnapshot(keeper, saving);
  switch (head.kind) {
    case 'commit':
      try {
        return await store(keeper, saving, { parent: head.sha, ...(await snapshot()) });
      } catch (error) {
        if (
          !(error instanceof GitError) ||
          !/unreachable|missing|unable to read|invalid object|bad object|corrupt|is empty|did not send|unpack/i.test(
            error.stderr,
          )
        )
          throw error;
        return mended(
          `something that its last commit ${head.sha} or its index needs cannot be read (${error.message})`,
        );
      }
    case 'unborn':
      // No snapshot of ours is ever without history where there was one.
      return saving.basis === undefined
        ? store(keeper, saving, { parent: undefined, ...(await snapshot()) })
        : {
            ...(await store(keeper, saving, { parent: saving.basis, ...(await snapshot()) })),
            trouble:
              `its branch ${head.branch} has no commit, though the work began at one: it is saved on top of ` +
              saving.basis,
          };
    case 'unreadable':
      return mended(head.why);
  }

  async function mended(why: string): Promise<InVault> {
    const { basis, signal, rules } = saving;
    const fresh = await takeSnapshot(keeper, basis, signal, { distrustIndex: true, rules });
    return {
      ...(await store(keeper, saving, { parent: basis, ...fresh })),
      trouble: `${why}: the files are saved on top of ${basis ?? 'nothing'}`,
    };
  }
}

async function store(
  keeper: Keeper,
  { last, ref, bead, attempt, signoff, signal }: Saving,
  { parent, tree, unsaved }: { parent: string | undefined; tree: string; unsaved: string[] },
): Promise<InVault> {
  const place = throughKeeper(keeper);
  const clean = parent !== undefined && tree === (await treeOf(place, parent, signal));
  const sha = clean
    ? parent
    : ((await sameSave({ mirror: keeper.vault }, last, parent, tree, signal)) ??
      (await commitTree(place, {
        tree,
        parent,
        subject: `Work in progress of bead ${bead}, attempt ${attempt}`,
        attempt,
        signoff,
        signal,
      })));
  // The ref keeps the commit findable, and is what the next save is compared with.
  if (sha !== last) await bringIntoVault(keeper, { sha, ref, doing: 'saving work in progress', signal });
  await takeNewContents(keeper, sha, signal);
  await emptyKeeper(keeper);
  return { sha, tree, wip: !clean, unsaved };
}

/** @returns the commit of the agent's that a save was made on: itself when it holds no uncommitted work. */
async function agentsCommit(
  vault: { mirror: string },
  save: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (save === undefined || !(await isWip(vault, save, signal))) return save;
  return (await parentsOf(vault, save, signal))[0];
}

/** A snapshot and the HEAD it stands on; taken again when the agent commits in between. */
async function consistentSnapshot(
  keeper: Keeper,
  { basis, signal, rules }: Saving,
): Promise<{ head: AgentHead; snapshot: () => Promise<{ tree: string; unsaved: string[] }> }> {
  for (let tried = 1; ; tried += 1) {
    const head = await headOf(keeper, signal);
    if (head.kind === 'unreadable') return { head, snapshot: () => takeSnapshot(keeper, basis, signal, { rules }) };
    const taken = await settled(takeSnapshot(keeper, head.kind === 'commit' ? head.sha : undefined, signal, { rules }));
    const after = await headOf(keeper, signal);
    // An agent that commits all the time is saved on top of a commit that is not its newest; nothing is lost by that.
    if (tried === 3 || (after.kind === head.kind && shaOf(after) === shaOf(head)))
      return { head, snapshot: () => Promise.resolve(taken()) };
  }
}

const shaOf = (head: AgentHead): string | undefined => (head.kind === 'commit' ? head.sha : undefined);

/** The result, or the error, when it is asked for. */
async function settled<T>(promise: Promise<T>): Promise<() => T> {
  const [result] = await Promise.allSettled([promise]);
  return () => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  };
}

/** @returns the last save when it holds the same tree on the same parent. */
async function sameSave(
  vault: { mirror: string },
  last: string | undefined,
  parent: string | undefined,
  tree: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (last === undefined || (await treeOf(vault, last, signal)) !== tree) return undefined;
  const parents = await parentsOf(vault, last, signal);
  return parents.length === (parent === undefined ? 0 : 1) && parents[0] === parent ? last : undefined;
}
