import { Context } from '@temporalio/activity';
import type { Activities } from '../contract/index.js';
import { GitError, pushBranch, pushRefusal } from '../git/index.js';
import { withBeats } from './beats.js';
import type { ActivityDeps } from './deps.js';
import { readInput } from './input.js';

/**
 * `offerWork`: pushes the finished commits of an ended attempt that the remote had not taken. They lie in the attempt's
 * worktree, which stays as long as they are nowhere else. Idempotent: what is there already is pushed again as it is.
 */
export function makeOfferWork({ host }: Pick<ActivityDeps, 'host'>): Activities['offerWork'] {
  return async (given) => {
    const input = readInput('offerWork', given);
    const { bead, attempt, repo, sha } = input;
    const dir = host.attemptDir(input);
    const { worktree } = dir;
    // A worker that ends leaves no git behind, which would wait for a remote that hangs for ever.
    const { cancellationSignal: signal } = Context.current();
    return withBeats(`pushes the finished commits of attempt ${attempt}`, async () => {
      try {
        // Its runner is gone, and nobody else can sign: the bead hears of this push by the answer.
        const refPrefix = (await dir.readInput())?.workspace?.refPrefix;
        const pushed = await pushBranch({ worktree, remote: repo, bead, attempt, sha, refPrefix, signal });
        return { pushed: true as const, branch: pushed.branch };
      } catch (error) {
        if (!(error instanceof GitError)) throw error;
        return {
          pushed: false as const,
          reason: error.message,
          mayPass: pushRefusal(error) === undefined && error.mayPass,
        };
      }
    });
  };
}
