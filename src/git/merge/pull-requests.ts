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
  /**
   * @returns all that are open into `base`. Many items ask for one list: what was asked within the last minute is
   * answered from there.
   */
  open(query: { repo: string; base: string; signal?: AbortSignal | undefined }): Promise<OpenPullRequest[]>;
  /** @returns what reviewers with a say in the repository have written, for the agent. */
  reviews(query: { repo: string; pullRequest: PullRequest; signal?: AbortSignal | undefined }): Promise<string>;
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

export interface OpenPullRequest extends PullRequest, OpenState {
  /** Its branch. */
  head: string;
}

export interface OpenState {
  headSha: string;
  /** The forge says that it cannot be merged as it is. */
  conflicting: boolean;
  /** A reviewer wants changes, and has not taken that back. */
  changesRequested: boolean;
  /** In a few words, for people. */
  waitsFor: string;
  /** When somebody last did something there, in milliseconds since the epoch. */
  updatedAt: number;
}

export type PullRequestState =
  | ({ state: 'open' } & OpenState)
  /**
   * `sha` is the commit on the base branch; absent where the forge does not say (yet). `at`: when, in milliseconds
   * since the epoch.
   */
  | { state: 'merged'; sha?: string; at?: number }
  | { state: 'closed' };

/**
 * - `not_installed`: the program that talks to the forge is not on this host. `auth`: it has no access. `not_a_forge`:
 * the repository is not on one.
 * - `unreachable`: passes. `limited`: the forge answers again at `until`. `refused`: the forge does not want it, in its
 * own words.
 */
export type PullRequestErrorKind = 'not_installed' | 'auth' | 'not_a_forge' | 'unreachable' | 'limited' | 'refused';

/** A request to a forge that failed. The message is one sentence with the next step. */
export class PullRequestError extends Error {
  override readonly name = 'PullRequestError';
  constructor(
    readonly kind: PullRequestErrorKind,
    message: string,
    options: { cause?: unknown; until?: number } = {},
  ) {
    super(message, options);
    this.until = options.until;
  }

  /** With `limited`: when it may be asked again, in milliseconds since the epoch. */
  readonly until: number | undefined;
}

/** The pull request is open: somebody else decides, perhaps in days. Ask again later. */
export class PullRequestPending extends Error {
  override readonly name = 'PullRequestPending';

  /** @param wait milliseconds until it is worth asking again. */
  constructor(
    message: string,
    readonly wait: number = soonest,
  ) {
    super(message);
  }
}

const soonest = 60_000;
const latest = 10 * 60_000;

/**
 * A person who was there a moment ago may come back in a minute; where nobody was for hours, ten minutes more are not
 * noticed, and forges count their callers' requests.
 * @returns milliseconds until an open pull request is worth another look.
 */
export const waitAfter = (updatedAt: number, now: number): number =>
  Math.min(Math.max((now - updatedAt) / 10, soonest), latest);
