/**
 * The rig workflow: one repository's agents and merges. Input: `RigInput`; result: `RigResult`. It lives until it is
 * removed (update `remove`, or a cancel), and continues as new by itself, carrying everything. Beads ask it by signals
 * and are answered by signals; merges are activities on the refinery's queue. All decisions are in `domain/rig`;
 * this is the shell.
 * @module
 */
import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  patched,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import {
  clip,
  failureTypes,
  limits,
  readMergeRequest,
  readProbeProgress,
  readReturnGrant,
  readGrantRequest,
  readWithdrawMerge,
  rigMessages,
} from '../contract/index.js';
import type { RefineryActivities, RigInput, RigResult, RigState, RigView, RunningMerge } from '../contract/index.js';
import {
  carriedRig,
  configureProblem,
  grantedBy,
  initialRig,
  mergeInput,
  mergeKey,
  mergeQueueIsFull,
  mergesToInterrupt,
  nextRigDeadline,
  nextRigInput,
  pauseRigProblem,
  refusedAfterWork,
  removeRigProblem,
  resumeRigProblem,
  rigDrains,
  rigEffects,
  rigHolders,
  rigInputProblem,
  cameBack,
  rigIsFull,
  rigLookEvery,
  rigMeasures,
  rigOver,
  rigPanel,
  rigStatus,
  hasAnotherGrant,
  rigTellsInBatches,
  rigView,
  rigWeighsAll,
  stepRig,
  unapproved,
} from '../domain/index.js';
import type { MergeUnderWay, RigEffect, RigEvent, RigRun, RunLength } from '../domain/index.js';
import { EffectRunner } from './effect-runner.js';
import { describeWorkflows, mergeOptions } from './fleet-activities.js';
import { Listener } from './listen.js';
import { measure } from './measure.js';
import { Publisher } from './publish.js';
import {
  askGrantSignal,
  configureUpdate,
  enqueueMergeSignal,
  pauseRigUpdate,
  probeProgressSignal,
  removeRigUpdate,
  resumeRigUpdate,
  returnGrantSignal,
  rigStateQuery,
  withdrawMergeSignal,
} from './rig-messages.js';
import { lengthOfRun } from './run-length.js';
import { tell } from './tell.js';
import { goOn } from './version.js';

const { merge: mergeActivity } = proxyActivities<RefineryActivities>({ startToCloseTimeout: '1 day' });

/** A rig: see the module's comment. */
export async function rig(input: RigInput): Promise<RigResult> {
  const problem = rigInputProblem(input);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, failureTypes.badInput);
  const life = new Rig(input);
  let cancelled = false;
  // A cancel is an order to the rig: what it holds for others has to be settled first.
  CancellationScope.current().cancelRequested.catch(() => {
    cancelled = true;
    life.apply({ type: 'removed', reason: 'cancelled by an operator' });
  });
  const result = await CancellationScope.nonCancellable(() => life.run());
  if (cancelled) throw new CancelledFailure(result.reason);
  return result;
}

class Rig {
  state: RigState;
  readonly #publisher = new Publisher();
  readonly #listener = new Listener<RigEvent>('rig', (event) => this.apply(event));
  readonly #effects = new EffectRunner();
  readonly #merges = new Map<string, MergeUnderWay & { scope: CancellationScope }>();
  #changes = 0;

  constructor(private readonly input: RigInput) {
    this.state = input.carried ? carriedRig(input.carried) : initialRig(input, Date.now());
    this.#listen();
    this.apply(input.carried ? { type: 'renewed' } : { type: 'tick' });
  }

  /** The only place where the state changes. */
  apply(event: RigEvent): void {
    const before = this.state;
    this.state = stepRig(before, event, Date.now());
    measure(rigMeasures(before, this.state, Date.now()));
    this.#changes += 1;
    const { rig, attention } = this.state;
    this.#publisher.publish({ beadStatus: rigStatus(this.state), rig, attention }, () => rigPanel(this.state));
  }

  async run(): Promise<RigResult> {
    const parts = Promise.all([this.#watchClock(), this.#lookAround()]);
    const main = this.#run();
    // The parts end only by an error, which is a bug and must not be swallowed.
    await Promise.race([main, parts]);
    return main;
  }

  async #run(): Promise<RigResult> {
    for (;;) {
      const before = this.#changes;
      const run = this.#asRun();
      if (rigOver(this.state) && this.#effects.idle) {
        await condition(allHandlersFinished);
        // Somebody may have asked in this very moment, and has to be refused first.
        if (rigOver(this.state)) return { status: 'removed', reason: `rig ${this.state.rig} is removed` };
        continue;
      }
      for (const key of mergesToInterrupt(this.state, run)) this.#merges.get(key)?.scope.cancel();
      if (rigDrains(this.state, run) && this.#effects.idle) await this.#renew();
      for (const effect of rigEffects(this.state, Date.now(), run))
        if (effect.do === 'takeMerge')
          this.apply({ type: 'mergeStarted', workflowId: effect.workflowId, sha: effect.sha });
      for (const effect of rigEffects(this.state, Date.now(), run))
        if (effect.do !== 'takeMerge') this.#effects.begin(effect.key, () => this.#carryOut(effect));
      if (this.#changes === before)
        await this.#effects.orWhen(() => this.#changes !== before || this.#length() !== run.length);
    }
  }

  #length(): RunLength {
    return lengthOfRun(this.#listener);
  }

  #asRun(): RigRun {
    const length = this.#length();
    // The patch: earlier runs told all at once.
    const tellsAllAtOnce = rigTellsInBatches(this.state, length) && !patched('news-in-batches');
    // The patch: earlier runs weighed news alone.
    const weighsOnlyNews = rigWeighsAll(this.state, length) && !patched('all-that-is-carried-has-weight');
    return { length, merges: [...this.#merges.values()], tellsAllAtOnce, weighsOnlyNews };
  }

  #carryOut(effect: Exclude<RigEffect, { do: 'takeMerge' }>): Promise<void> {
    switch (effect.do) {
      case 'grant':
        return this.#grant(effect);
      case 'tell':
        return this.#signal(effect.news.workflowId, effect.news.signal, effect.news.payload, (delivered) =>
          this.apply({ type: 'newsTold', id: effect.news.id, delivered }),
        );
      case 'merge':
        return this.#merge(effect.merge);
      default:
        return effect satisfies never;
    }
  }

  #grant(grant: Extract<RigEffect, { do: 'grant' }>): Promise<void> {
    const { bead, workflowId } = grant;
    return this.#signal(workflowId, rigMessages.granted, grantedBy(this.state, grant), (delivered) => {
      // The patch: earlier runs took the bead's next grant for told as well, and it waited for that for ever.
      if (hasAnotherGrant(this.state, grant) && patched('each-grant-is-told')) return;
      this.apply({ type: 'grantTold', bead, delivered });
    });
  }

  /**
   * A workflow that has ended takes no signal: that is an answer too. What is untold when the run is to end stays in
   * the state, and the next run tells it.
   */
  async #signal(workflowId: string, name: string, payload: object, then: (delivered: boolean) => void): Promise<void> {
    const moot = (): boolean => rigDrains(this.state, { length: this.#length(), merges: [...this.#merges.values()] });
    const told = await tell(workflowId, name, payload, { moot });
    if (told !== 'untold') then(told === 'told');
  }

  async #merge(merge: RunningMerge): Promise<void> {
    const scope = new CancellationScope();
    const key = mergeKey(merge);
    const { settings, rig } = this.state;
    const { workflowId, sha, withdrawn } = merge;
    // Here, where the keys are those of this moment: what was queued before there were any is held against them, too.
    const refused =
      withdrawn === true
        ? undefined
        : unapproved(
            settings.approvers ?? [],
            `an approver of rig ${rig}`,
            { namespace: workflowInfo().namespace, rig },
            merge,
          );
    if (refused !== undefined) return this.apply({ type: 'mergeEnded', workflowId, sha, outcome: refused });
    this.#merges.set(key, { key, scope, withdrawn: withdrawn === true, strategy: merge.strategy });
    try {
      const input = mergeInput(this.state, merge);
      const outcome = await scope.run(() => mergeActivity.executeWithOptions(mergeOptions(merge, settings), [input]));
      this.apply({ type: 'mergeEnded', workflowId, sha, outcome });
    } catch (error) {
      // Interrupted by ourselves: it is in the state and begins again.
      if (isCancellation(error)) return;
      if (!(error instanceof ActivityFailure)) throw error;
      const { cause } = error;
      const reason = clip(cause?.message ?? error.message, 500);
      // What cannot help to try again is the item's own end; everything else is the infrastructure's.
      if (cause instanceof ApplicationFailure && cause.nonRetryable === true)
        this.apply({ type: 'mergeEnded', workflowId, sha, outcome: { outcome: 'error', reason } });
      else this.apply({ type: 'mergeBroke', workflowId, sha, reason });
    } finally {
      this.#merges.delete(key);
    }
  }

  /** One lazy timer: it sleeps until the deadline as it stood, and looks again when it fires. */
  async #watchClock(): Promise<never> {
    for (;;) {
      const armed = nextRigDeadline(this.state);
      const sooner = (): boolean => (nextRigDeadline(this.state)?.at ?? Infinity) < (armed?.at ?? Infinity);
      if (armed === undefined) await condition(sooner);
      else {
        await condition(sooner, Math.max(armed.at - Date.now(), 1), { summary: clip(armed.text, 120) });
        this.apply({ type: 'tick' });
      }
    }
  }

  /** Asks the server from time to time whether those who hold something still live. */
  async #lookAround(): Promise<never> {
    for (;;) {
      await condition(() => rigHolders(this.state).length > 0);
      await sleep(rigLookEvery, { summary: 'do those who hold a grant or a merge still live?' });
      const workflowIds = rigHolders(this.state);
      if (workflowIds.length === 0 || this.#length() !== 'fine') continue;
      const askedAt = Date.now();
      const gone = (await describeWorkflows(workflowIds)).filter(({ running }) => !running);
      if (gone.length > 0) this.apply({ type: 'looked', askedAt, gone });
    }
  }

  async #renew(): Promise<never> {
    await condition(allHandlersFinished);
    return goOn<typeof rig>([nextRigInput(this.input, this.state)], { workflowTaskTimeout: limits.workflowTask });
  }

  #listen(): void {
    this.#listenToWorkflows();
    this.#listenToOperators();
  }

  #listenToWorkflows(): void {
    const listener = this.#listener;
    // The patch: earlier runs took as many as came.
    const refuses = (): boolean => patched('a-full-rig-refuses');
    listener.signal(
      askGrantSignal,
      readGrantRequest,
      (request) => ({ type: 'asked', request, full: rigIsFull(this.state, request) && refuses() }),
      'A bead asks for leave to run an agent. Asking again changes nothing.',
    );
    listener.signal(
      returnGrantSignal,
      readReturnGrant,
      // The patches: in earlier runs the next bead was sent ahead at once, and so all of them round and round; and
      // agents that work before their login is refused let each other's beads go on.
      (end) => ({
        type: 'returned',
        end,
        inVain: cameBack(this.state, end) && patched('a-try-in-vain-waits'),
        afterWork: refusedAfterWork(this.state, end) && patched('work-before-a-refusal-is-no-proof'),
      }),
      'A bead gives its grant back, and says whether its attempt was lost to the infrastructure.',
    );
    listener.signal(
      probeProgressSignal,
      readProbeProgress,
      (progress) => ({ type: 'progressed', progress }),
      'The attempt that probes the infrastructure gets on: the breaker closes.',
    );
    listener.signal(
      enqueueMergeSignal,
      readMergeRequest,
      (request) => ({ type: 'enqueued', request, full: mergeQueueIsFull(this.state, request) && refuses() }),
      'A bead or a convoy wants a commit merged. The same commit twice is one entry.',
    );
    listener.signal(
      withdrawMergeSignal,
      readWithdrawMerge,
      (withdrawal) => ({ type: 'withdrawn', withdrawal }),
      'A bead or a convoy takes its entry out of the merge queue; the answer says whether it came in time.',
    );
    listener.others();
  }

  #listenToOperators(): void {
    setHandler(rigStateQuery, (): RigView => rigView(this.state, Date.now()), {
      description:
        'The full state: settings and their version, grants held and waited for, merge queue, breaker. Of the news ' +
        'that it still has to tell the first ones, and how many there are.',
    });
    const listener = this.#listener;
    listener.update(
      configureUpdate,
      'Change settings: {"maxAgents": 3, "checks": […], "base": null, …}. What is absent stays; null takes an ' +
        'optional one away. A change of approvers carries the "signature" of a present one.',
      (change) => configureProblem(this.state, change, workflowInfo().namespace),
      ({ signature: _, ...change }) => {
        const { version } = this.state;
        this.apply({ type: 'configured', change });
        return {
          text:
            this.state.version === version
              ? `nothing changed; version ${version} stays`
              : `version ${this.state.version}: it applies to the next attempt and the next merge`,
        };
      },
    );
    listener.update(
      pauseRigUpdate,
      'No new attempts and no new merges until resume; what runs goes on.',
      () => pauseRigProblem(this.state),
      () => {
        this.apply({ type: 'paused' });
        return {
          text:
            `paused: no new attempts and merges; ${this.state.grants.length} agents and ` +
            `${this.state.merging.length} merges go on`,
        };
      },
    );
    listener.update(
      resumeRigUpdate,
      'Let a paused or stopped rig go on; with an open breaker or a shared cause, one attempt tries at once.',
      () => resumeRigProblem(this.state),
      () => {
        this.apply({ type: 'resumed' });
        return {
          text: this.state.breaker.open
            ? 'resumed; the breaker is open, and one attempt probes the infrastructure now'
            : rigStatus(this.state) === 'stopped'
              ? 'resumed; one attempt tries now whether the cause is mended, and all go on when it is'
              : 'resumed',
        };
      },
    );
    listener.update(
      removeRigUpdate,
      'End the rig. {"force": true} also when beads wait for it: they are told, and wait for a person.',
      (given) => removeRigProblem(this.state, given?.force),
      () => {
        this.apply({ type: 'removed', reason: 'removed by an operator' });
        const { grants, merging } = this.state;
        return {
          text:
            grants.length + merging.length === 0
              ? 'removed'
              : `is being removed as soon as ${grants.length} agents and ${merging.length} merges have ended`,
        };
      },
    );
  }
}
