import { Context } from '@temporalio/activity';
import { join } from 'node:path';
import type { RefineryActivities } from '../../contract/index.js';
import { ensureBranch } from '../../git/merge/index.js';
import { withBeats } from '../beats.js';
import { asGitFailure } from '../failures.js';
import { readInput } from './input.js';
import type { RefineryDeps } from './merge.js';

/**
 * `ensureBranch`: makes a branch on the remote (a convoy's integration branch) unless it is there.
 * Fails by `SetupUnreachable` (the server tries again) or `SetupFailed` (it does not).
 */
export function makeEnsureBranch({ home }: Pick<RefineryDeps, 'home'>): RefineryActivities['ensureBranch'] {
  return async (given) => {
    const input = readInput('ensureBranch', given);
    const { cancellationSignal: signal } = Context.current();
    try {
      return await withBeats(`makes branch ${input.branch}`, () =>
        ensureBranch({ mirrors: join(home, 'mirrors'), ...input, signal }),
      );
    } catch (error) {
      signal.throwIfAborted();
      throw asGitFailure(error);
    }
  };
}
