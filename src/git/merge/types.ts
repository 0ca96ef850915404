import type { MergeOutcome, MergeRequest } from '../../contract/index.js';

/** What is to be merged. `target` is a branch's name, never empty (`targetBranch` finds the default one). */
export type MergeItem = Pick<MergeRequest, 'item' | 'branch' | 'sha' | 'target' | 'title' | 'began'>;

/**
 * The points of a merge after each of which the process may die and leave something behind; for observers.
 *
 * - `looked`: the remote was asked, and both commits are in the mirror. `merged`: in the scratch tree only. `checked`:
 * all checks passed.
 * - `pushing`: the push is about to be sent. `pushed`: the target has the merge. `recorded`: the remote also has the
 * marker, where it takes it.
 * - `verified`: the remote was read back. `removed`: the scratch tree is gone; all that is left to do is to return the
 * outcome.
 * - `opened`: a pull request is there.
 */
export type MergeStep =
  'looked' | 'merged' | 'checked' | 'pushing' | 'pushed' | 'recorded' | 'verified' | 'opened' | 'removed';

/** How merges are signed. */
export interface Signing {
  format: 'ssh' | 'openpgp';
  /** Path of an ssh key (its public half, where an ssh-agent has the other); what names a key to gpg. */
  key: string;
}

/** A check that did not succeed. */
export type FailedCheck = Omit<Extract<MergeOutcome, { outcome: 'checks_failed' }>, 'outcome'>;

/** What a merge needs of those who ask for it. */
export interface MergeContext {
  /** URL or path. */
  repo: string;
  /** The folder of the mirrors: `mirrors/` in the host's state directory. */
  mirrors: string;
  /**
   * Absolute path of the scratch tree; this item's own, removed at the end. Whatever stands there before is removed as
   * well.
   */
  scratch: string;
  item: MergeItem;
  /** Absent: commits are not signed. */
  sign?: Signing | undefined;
  /** Whether the commit that is made carries a `Signed-off-by` of the refinery's identity. */
  signoff?: boolean | undefined;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
  /** Runs the rig's checks in a tree. @returns the first that failed. */
  runChecks: (tree: string) => Promise<FailedCheck | undefined>;
  /** Says in a few words what is going on. */
  say: (text: string) => void;
  /** Something that does no harm to the merge went wrong. */
  warn: (text: string, error: unknown) => void;
  observe: (step: MergeStep) => void | Promise<void>;
  /** Asked right before anything is pushed. @throws when it is no longer ours to push. */
  confirm: () => void;
  /**
   * Ends the work wherever it can be ended without doubt about what is on the remote: a push that has begun is seen to
   * its end.
   */
  signal?: AbortSignal | undefined;
}
