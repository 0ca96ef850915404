/** What the `pr` strategy needs of a forge. The one implementation here talks through the GitHub CLI. */
export interface PullRequests {
  /** @returns the pull request from `head` into `base`: an open one before a merged one before a closed one. */
  find(query: {
    repo: string;
    head: string;
    base: string;
    signal?: AbortSignal | undefined;
  }): Promise<PullRequest | undefined>;
  create(wanted: {
    repo: string;
    head: string;
    base: string;
    title: string;
    body: string;
    signal?: AbortSignal | undefined;
  }): Promise<PullRequest>;
  /** @returns the open ones into `base` whose branch begins with `prefix`. */
  openUnder(query: {
    repo: string;
    prefix: string;
    base: string;
    signal?: AbortSignal | undefined;
  }): Promise<PullRequest[]>;
  /** Closes it with a comment that says why; one that is closed already is closed. */
  close(wanted: {
    repo: string;
    pullRequest: PullRequest;
    comment: string;
    signal?: AbortSignal | undefined;
  }): Promise<void>;
  state(repo: string, pullRequest: PullRequest, signal?: AbortSignal): Promise<PullRequestState>;
}

export interface PullRequest {
  number: number;
  url: string;
}

export type PullRequestState =
  /** `conflicting`: the forge says that it cannot be merged as it is. `waitsFor`: in a few words, for people. */
  | { state: 'open'; headSha: string; conflicting: boolean; waitsFor: string }
  /**
   * `sha` is the commit on the base branch; absent where the forge does not say (yet). `at`: when, in milliseconds
   * since the epoch.
   */
  | { state: 'merged'; sha?: string; at?: number }
  | { state: 'closed' };

/**
 * - `not_installed`: the program that talks to the forge is not on this host. `auth`: it has no access. `not_a_forge`:
 * the repository is not on one.
 * - `unreachable`: passes. `refused`: the forge does not want it, in its own words.
 */
export type PullRequestErrorKind = 'not_installed' | 'auth' | 'not_a_forge' | 'unreachable' | 'refused';

/** A request to a forge that failed. The message is one sentence with the next step. */
export class PullRequestError extends Error {
  override readonly name = 'PullRequestError';
  constructor(
    readonly kind: PullRequestErrorKind,
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

/** The pull request is open: somebody else decides, perhaps in days. Ask again later. */
export class PullRequestPending extends Error {
  override readonly name = 'PullRequestPending';
}
