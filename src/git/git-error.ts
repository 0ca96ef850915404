/**
 * What kind of failure, for those who decide what to do about it.
 *
 * - `unreachable`: network or server out of order. `timeout`: no progress for too long. `no_space`: disk or quota full.
 * These pass.
 * - `auth`: a person must give access. `not_found`: nothing at that address. `no_such_ref`: no such branch, ref or
 * commit.
 * - `rejected`: the remote refused a push. `bad_input`: refused before git was run. `other`: see `stderr`.
 */
export type GitErrorKind =
  'unreachable' | 'auth' | 'not_found' | 'no_such_ref' | 'rejected' | 'no_space' | 'bad_input' | 'timeout' | 'other';

/**
 * A git operation that failed. The message is one sentence with the next step, without credentials; `stderr` is what
 * git said.
 */
export class GitError extends Error {
  override readonly name = 'GitError';
  /** True when the failure shows that the local repository is damaged. */
  readonly damaged: boolean;

  constructor(
    readonly kind: GitErrorKind,
    message: string,
    readonly stderr: string = '',
    options: { damaged?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.damaged = options.damaged ?? false;
  }

  /**
   * Whether the same operation may succeed later without anybody changing the request. A damaged mirror is cloned again
   * at the next update.
   */
  get mayPass(): boolean {
    switch (this.kind) {
      case 'unreachable':
      case 'timeout':
      case 'no_space':
      case 'other':
        return true;
      case 'auth':
      case 'not_found':
      case 'no_such_ref':
      case 'rejected':
      case 'bad_input':
        return false;
    }
  }
}
