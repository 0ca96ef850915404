import type { OpenPullRequest, PullRequest, PullRequests, PullRequestState } from '../../../src/git/merge/index.js';
import { git } from './lab.js';
import type { Lab } from './lab.js';

/** A forge in memory beside a real origin: people review and merge there by `merge` and `close`. */
export class FakeForge implements PullRequests {
  readonly opened: { number: number; head: string; base: string; title: string; state: PullRequestState }[] = [];
  readonly comments: string[] = [];
  /** What reviewers have written. */
  said = '';
  lists = 0;
  /** Set to make the next `create` open the pull request and then fail, as when its answer gets lost. */
  losesAnswer: Error | undefined;

  constructor(private readonly lab: Lab) {}

  find({ head, base }: { head: string; base: string }): Promise<PullRequest | undefined> {
    const found = this.opened.findLast((one) => one.head === head && one.base === base);
    return Promise.resolve(found && { number: found.number, url: this.url(found.number) });
  }

  async create({ head, base, title }: { head: string; base: string; title: string }): Promise<PullRequest> {
    const number = this.opened.length + 1;
    this.opened.push({
      number,
      head,
      base,
      title,
      state: {
        state: 'open',
        headSha: await git(this.lab.origin, 'rev-parse', `refs/heads/${head}`),
        conflicting: false,
        changesRequested: false,
        updatedAt: Date.now(),
        waitsFor: 'it waits for a review',
      },
    });
    if (this.losesAnswer !== undefined) throw this.losesAnswer;
    return { number, url: this.url(number) };
  }

  open({ base }: { base: string }): Promise<OpenPullRequest[]> {
    this.lists += 1;
    return Promise.resolve(
      this.opened.flatMap(({ number, head, base: into, state }) =>
        state.state === 'open' && into === base ? [{ number, url: this.url(number), head, ...state }] : [],
      ),
    );
  }

  reviews(): Promise<string> {
    return Promise.resolve(this.said);
  }

  close({ pullRequest: { number }, comment }: { pullRequest: PullRequest; comment: string }): Promise<void> {
    this.set(number, { state: 'closed' });
    this.comments.push(comment);
    return Promise.resolve();
  }

  state(_repo: string, { number }: PullRequest): Promise<PullRequestState> {
    return Promise.resolve(this.one(number).state);
  }

  /** A person merges it there by squashing, and the forge deletes its branch. @returns the commit. */
  async merge(number: number, { into }: { into?: string } = {}): Promise<string> {
    const { head, base, title } = this.one(number);
    const { seed, origin } = this.lab;
    await git(seed, 'fetch', '--quiet', 'origin');
    await git(seed, 'checkout', '--quiet', '-B', 'forge', `origin/${into ?? base}`);
    await git(seed, 'merge', '--quiet', '--squash', `origin/${head}`);
    await git(seed, 'commit', '--quiet', '-m', `${title} (#${number})`);
    const sha = await git(seed, 'rev-parse', 'HEAD');
    await git(seed, 'push', '--quiet', 'origin', `HEAD:refs/heads/${into ?? base}`);
    await git(origin, 'update-ref', '-d', `refs/heads/${head}`);
    this.one(number).state = { state: 'merged', sha };
    return sha;
  }

  set(number: number, state: PullRequestState): void {
    this.one(number).state = state;
  }

  private url(number: number): string {
    return `https://forge.example/pull/${number}`;
  }

  private one(number: number): (typeof this.opened)[number] {
    const found = this.opened.find((one) => one.number === number);
    if (found === undefined) throw new Error(`no pull request ${number}`);
    return found;
  }
}
