import { Context } from '@temporalio/activity';
import { join } from 'node:path';
import { clip } from '../../contract/index.js';
import type { MergeInput, MergeOutcome } from '../../contract/index.js';
import { githubCli, landBranchOnly, landByPullRequest, mergeItem, targetBranch } from '../../git/merge/index.js';
import type { MergeContext, MergeStep, PullRequests } from '../../git/merge/index.js';
import { CheckLog } from './check-log.js';
import { outcomeOf } from './failures.js';
import { readInput } from './input.js';
import { KeyedLock } from './keyed-lock.js';
import { MergeBeats } from './merge-beats.js';
import { endChecks } from './run-check.js';
import { runChecks } from './run-checks.js';

export interface RefineryDeps {
  /** The state directory. */
  home: string;
  hostId: string;
  /** Of which checks see an allow-list, and in which `gh` is looked for; this process's environment when absent. */
  env?: NodeJS.ProcessEnv;
  /** How pull requests are made; by the GitHub CLI when absent. */
  pullRequests?: PullRequests;
  /** Told of each step of each merge, and waited for. */
  observe?: (step: MergeStep, item: string) => void | Promise<void>;
}

/** Where the refinery keeps its scratch trees and logs within the state directory. */
export const refineryFolder = (home: string): string => join(home, 'refinery');

/**
 * `merge`: brings one item of a rig's queue onto its target, exactly once however often it is started anew. Beats with a readable text; a cancel, a pause or the
 * worker's shutdown ends checks and git and removes the scratch tree, but never cuts off a push.
 *
 * Fails by `SetupUnreachable` (remote or disk out of order) and `PullRequestOpen`: the server tries both again, and the item stays where it is. `BadInput` is final.
 */
export function makeMerge(deps: RefineryDeps): (input: MergeInput) => Promise<MergeOutcome> {
  const targets = new KeyedLock();
  const trees = new KeyedLock();
  return async (given) => {
    const input = readInput('merge', given);
    const { cancellationSignal: signal } = Context.current();
    const { item } = input.request;
    const scratch = join(refineryFolder(deps.home), input.rig, item);
    const beats = new MergeBeats({ host: deps.hostId, item });
    try {
      beats.say('looking for the target');
      const target = await targetBranch(input.repo, input.request.target, signal);
      const key = `${input.repo}\0${target}`;
      if (targets.busy(key)) beats.say(`waits for another merge into ${target} on this host`);
      // The tree's lock serves the same item with two targets; taken second by all, so that nobody waits in a circle.
      return await targets.run(key, signal, () => trees.run(scratch, signal, () => land(deps, { ...input, request: { ...input.request, target } }, scratch, beats)));
    } catch (error) {
      // Whatever failed because it was cut off: it was the cut.
      signal.throwIfAborted();
      return outcomeOf(error);
    } finally {
      beats.end();
    }
  };
}

async function land(deps: RefineryDeps, { repo, request, strategy, checks }: MergeInput, scratch: string, beats: MergeBeats): Promise<MergeOutcome> {
  const context = Context.current();
  const { cancellationSignal: signal, log: logger } = context;
  const env = deps.env ?? process.env;
  const warn = (text: string, error: unknown): void => logger.warn(text, { item: request.item, error });
  // Left by a worker that was killed in the middle: their tree is about to be removed under them.
  await endChecks(scratch);
  const logPath = `${scratch}.log`;
  const log = await CheckLog.open(logPath, (error) => warn('the log of the checks cannot be written', error));
  log.say(`${strategy} ${request.branch} (${request.sha}) into ${request.target}`);
  const merge: MergeContext = {
    repo, scratch, signal, warn,
    mirrors: join(deps.home, 'mirrors'),
    item: request,
    say: (text) => beats.say(clip(text, 300)),
    observe: (step) => deps.observe?.(step, request.item),
    runChecks: (tree) => runChecks({ checks, tree, env, log, signal, onCheck: ({ name }) => beats.sayRunning(`check ${name}`, logPath) }),
  };
  try {
    const outcome = await dispatch(merge, strategy, checks.length > 0, deps, env);
    log.say(`ended: ${outcome.outcome}${'reason' in outcome ? `: ${outcome.reason}` : ''}`);
    return outcome;
  } catch (error) {
    log.say(`broken off: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  } finally {
    await log.close();
  }
}

async function dispatch(merge: MergeContext, strategy: MergeInput['strategy'], hasChecks: boolean, deps: RefineryDeps, env: NodeJS.ProcessEnv): Promise<MergeOutcome> {
  switch (strategy) {
    case 'merge':
    case 'rebase':
    case 'squash':
      return mergeItem(merge, strategy);
    case 'branch-only':
      return landBranchOnly(merge, hasChecks);
    case 'pr':
      return landByPullRequest(merge, deps.pullRequests ?? githubCli(env));
  }
}
