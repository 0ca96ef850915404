import type { Activities } from '../contract/index.js';
import { verifyRemote } from '../git/index.js';
import { withBeats } from './beats.js';
import type { ActivityDeps } from './deps.js';
import { asGitFailure } from './failures.js';
import { readInput } from './input.js';

/**
 * `verifyWork`: is the reported branch on the remote, at the reported commit, ahead of its base? Nothing but the remote
 * counts as evidence, and of what nobody has reported only what its runner has signed. Fails by `SetupUnreachable` (the
 * server tries again) or `SetupFailed` (it does not).
 */
export function makeVerifyWork({ host }: Pick<ActivityDeps, 'host'>): Activities['verifyWork'] {
  return async (given) => {
    const { bead, attempt, repo, base, baseSha, branch, sha, vouchKey } = readInput('verifyWork', given);
    try {
      return await withBeats(`looks for ${branch} on the remote`, () =>
        verifyRemote({
          root: host.mirrors,
          repo,
          branch,
          base,
          baseSha,
          sha,
          runner: { bead, attempt, key: vouchKey },
        }),
      );
    } catch (error) {
      throw asGitFailure(error);
    }
  };
}
