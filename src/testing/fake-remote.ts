import { createHash } from 'node:crypto';
import type { Evidence, VerifyWorkInput } from '../contract/index.js';
import { shortSha } from '../domain/words.js';

/** A made-up commit id: the same words give the same one. */
export const fakeSha = (...words: readonly (string | number)[]): string =>
  createHash('sha1').update(words.join('\n')).digest('hex');

/** The repository's remote: refs by name. Branches exist only after a `done`. */
export class FakeRemote {
  readonly refs = new Map<string, string>();
  readonly baseSha = fakeSha('base');
  /** Out of reach for `verifyWork`, as long as it is true; hosts have their own partitions. */
  away = false;
  /**
   * It takes no finished branch: by a rule of its own, or because its disk is full, which may pass. Saves go to other
   * refs, and are taken.
   */
  refuses: 'by a rule' | 'for now' | undefined;

  push(ref: string, sha: string): void {
    this.refs.set(ref, sha);
  }

  /** What `verifyWork` finds. */
  verify(input: VerifyWorkInput): Evidence {
    const found = this.refs.get(`refs/heads/${input.branch}`);
    if (found === undefined) return { verdict: 'missing', reason: `there is no branch ${input.branch} on the remote` };
    if (input.sha !== undefined && input.sha !== found)
      return { verdict: 'differs', reason: `${input.branch} is at ${shortSha(found)}`, found };
    if (found === this.baseSha) return { verdict: 'no_changes', reason: `${input.branch} is not ahead of its base` };
    return { verdict: 'verified', branch: input.branch, sha: found, baseSha: this.baseSha, ahead: 1 };
  }
}
