import { Context } from '@temporalio/activity';
import { join } from 'node:path';
import { clip } from '../../contract/index.js';
import type { MergeInput, MergeOutcome, RefineryActivities } from '../../contract/index.js';
import { errorMessage } from '../../edge/errors.js';
import {
  fillTree,
  githubCli,
  landBranchOnly,
  landByPullRequest,
  mergeItem,
  targetBranch,
  tellWithdrawn,
} from '../../git/merge/index.js';
import type { MergeContext, MergeStep, PullRequests } from '../../git/merge/index.js';
import { unapproved } from '../../domain/approval/index.js';
import { checksIn, returnPorts, takePorts } from '../../host/index.js';
import type { Tracer } from '../../traces/tracer.js';
import { copyFiles } from '../workspace-files.js';
import { CheckLog } from './check-log.js';
import { outcomeOf } from './failures.js';
import { readInput } from './input.js';
import { approversHere } from './approvers.js';
import { KeyedLock } from './keyed-lock.js';
import { MergeBeats } from './merge-beats.js';
import type { MergePlaces } from './merge-places.js';
import { endChecks } from './run-check.js';
import { runChecks } from './run-checks.js';
import { signingOf } from './signing.js';

export interface RefineryDeps {
  /** The state directory. */
  home: string;
  hostId: string;
  /** Checks see an allow-list of it, and `gh` is looked for in it; this process's environment when absent. */
  env?: NodeJS.ProcessEnv;
  /** How pull requests are made; by the GitHub CLI when absent. */
  pullRequests?: PullRequests;
  /** Present where spans are exported. */
  tracer?: Tracer | undefined;
  /** Present where merges have places: one that only waits for another gives up its own meanwhile. */
  places?: MergePlaces | undefined;
  /** Told of each step of each merge, and waited for. */
  observe?: (step: MergeStep, item: string) => void | Promise<void>;
}

/** Where the refinery keeps its scratch trees and logs within the state directory. */
export const refineryFolder = (home: string): string => join(home, 'refinery');

/**
 * `merge`: brings one item of a rig's queue onto its target, exactly once however often it is started anew. Beats with
 * a readable text; a cancel, a pause or the worker's shutdown ends checks and git and removes the scratch tree, but
 * never cuts off a push: once that has begun, the answer is what became of it.
 *
 * Fails by `SetupUnreachable` (remote or disk out of order) and `PullRequestOpen`: the server tries both again, and the
 * item stays where it is. `BadInput` is final.
 */
export function mergeActivity(deps: RefineryDeps): RefineryActivities['merge'] {
  const targets = new KeyedLock();
  const trees = new KeyedLock();
  // One for all merges of this worker: they share its lists, and its rests.
  const pulls = deps.pullRequests ?? githubCli(deps.env);
  return async (given) => {
    const input = readInput('merge', given);
    const { cancellationSignal: signal } = Context.current();
    const { item } = input.request;
    // What the server says of a rig is the word of everybody who reaches it; the file is this host's own.
    const refused = input.withdrawn === true ? undefined : refusedHere(deps.home, input);
    if (refused !== undefined) return refused;
    const scratch = join(refineryFolder(deps.home), input.rig, item);
    const beats = new MergeBeats({ host: deps.hostId, item });
    let pushing = false;
    const observe = (step: MergeStep): void | Promise<void> => {
      if (step === 'pushing') pushing = true;
      // From the top: what was pushed was not taken.
      if (step === 'looked') pushing = false;
      return deps.observe?.(step, item);
    };
    try {
      beats.say('looking for the target');
      const target = await targetBranch(input.repo, input.request.target, signal);
      const key = `${input.repo}\0${target}`;
      const behind = (wait: () => Promise<void>): Promise<void> => {
        beats.say(`waits for another merge into ${target} on this host`);
        return deps.places === undefined ? wait() : deps.places.aside(wait);
      };
      const land = (): Promise<MergeOutcome> =>
        new Landing(
          { ...deps, pullRequests: pulls },
          { ...input, request: { ...input.request, target } },
          scratch,
          beats,
          observe,
        ).run();
      // The tree's lock serves the same item with two targets; taken second by all, so that nobody waits in a circle.
      return await targets.run(key, signal, () => trees.run(scratch, signal, land), behind);
    } catch (error) {
      // Whatever failed because it was cut off: it was the cut. But a cancel is never the answer when the remote may
      // have the merge.
      if (!pushing) signal.throwIfAborted();
      return outcomeOf(error);
    } finally {
      beats.end();
    }
  };
}

/** @returns how an item ends that no approver of this host has signed, or undefined. */
function refusedHere(home: string, { rig, request }: MergeInput): MergeOutcome | undefined {
  const { namespace } = Context.current().info;
  return unapproved(approversHere(home), `an approver of the refinery's host`, { namespace, rig }, request);
}

/** One merge of one item, with its log. */
class Landing {
  readonly #context = Context.current();
  readonly #env: NodeJS.ProcessEnv;

  constructor(
    private readonly deps: RefineryDeps & { pullRequests: PullRequests },
    private readonly input: MergeInput,
    private readonly scratch: string,
    private readonly beats: MergeBeats,
    private readonly observe: (step: MergeStep) => void | Promise<void>,
  ) {
    this.#env = deps.env ?? process.env;
  }

  async run(): Promise<MergeOutcome> {
    const { request, strategy, withdrawn } = this.input;
    // Left by a worker that was killed in the middle: their tree is about to be removed under them.
    await endChecks(this.scratch);
    const path = `${this.scratch}.log`;
    const log = await CheckLog.open(path, (error) => this.#warn('the log of the checks cannot be written', error));
    log.say(
      `${withdrawn === true ? 'withdrawn: ' : ''}${strategy} ${request.branch} (${request.sha}) into ${request.target}`,
    );
    try {
      const outcome = await this.#dispatch(this.#mergeContext(log, path));
      log.say(`ended: ${outcome.outcome}${'reason' in outcome ? `: ${outcome.reason}` : ''}`);
      return outcome;
    } catch (error) {
      log.say(`broken off: ${errorMessage(error)}`);
      throw error;
    } finally {
      await log.close();
    }
  }

  #dispatch(merge: MergeContext): Promise<MergeOutcome> {
    const { strategy, checks, withdrawn } = this.input;
    const pulls = this.deps.pullRequests;
    if (withdrawn === true) return tellWithdrawn(merge, strategy, pulls);
    switch (strategy) {
      case 'merge':
      case 'rebase':
      case 'squash':
        return mergeItem(merge, strategy);
      case 'branch-only':
        return landBranchOnly(merge, checks.length > 0);
      case 'pr':
        return landByPullRequest(merge, pulls);
    }
  }

  #mergeContext(log: CheckLog, logPath: string): MergeContext {
    const { repo, request, checks, workspace, env } = this.input;
    const { cancellationSignal: signal } = this.#context;
    return {
      repo,
      signal,
      scratch: this.scratch,
      mirrors: join(this.deps.home, 'mirrors'),
      item: request,
      sign: signingOf(this.deps.home, this.input.rig),
      signoff: workspace?.signoff,
      refPrefix: workspace?.refPrefix,
      say: (text) => this.beats.say(clip(text, 300)),
      warn: (text, error) => this.#warn(text, error),
      observe: this.observe,
      confirm: () => this.beats.confirm(),
      runChecks: async (tree) => {
        const mirrors = join(this.deps.home, 'mirrors');
        const borrowed = checks.length > 0 ? await fillTree({ repo, mirrors, tree, signal }) : [];
        if (checks.length > 0) await copyFiles(workspace?.copy ?? [], { tree, ignored: false, signal });
        const { home } = this.deps;
        const wanted = checks.length > 0 ? workspace?.ports : undefined;
        const ports = wanted && (await takePorts(home, wanted, checksIn(tree)));
        try {
          return await runChecks({
            checks,
            tree,
            borrowed,
            env: this.#env,
            names: env,
            ports,
            home,
            rig: this.input.rig,
            log,
            signal,
            onChecked: ({ name }, result, ms) => {
              this.#measure({ check: name, result }, ms);
              this.deps.tracer?.inside(`check ${name}`, ms, { result }, result === 'passed' ? undefined : result);
            },
            onCheck: ({ name }) => this.beats.sayRunning(`check ${name}`, logPath),
          });
        } finally {
          if (ports !== undefined) await returnPorts(home, ports);
        }
      },
    };
  }

  /** Counts a check for the metrics; a worker that exports none drops it. */
  #measure(labels: { check: string; result: string }, ms: number): void {
    this.#context.metricMeter
      .createHistogram('heartbead_check_duration', 'float', 'seconds', 'how long a check of a rig took, by its result')
      .record(ms / 1_000, { rig: this.input.rig, ...labels });
  }

  #warn(text: string, error: unknown): void {
    this.#context.log.warn(text, { item: this.input.request.item, error });
  }
}
