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
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setDefaultSignalHandler,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import {
  clip,
  failureTypes,
  mergedBy,
  readMergeRequest,
  readProbeProgress,
  readReturnSlot,
  readSlotRequest,
  readWithdrawMerge,
  rigMessages,
} from '../contract/index.js';
import type {
  Granted,
  RefineryActivities,
  RigInput,
  RigResult,
  RigState,
  RigView,
  RunningMerge,
} from '../contract/index.js';
import {
  changeSettings,
  holders,
  initialRig,
  nextRigDeadline,
  readyMerges,
  rigDetails,
  rigErrands,
  rigInputProblem,
  rigInUse,
  rigMeasures,
  rigOver,
  rigSettingsProblem,
  rigStatus,
  stepRig,
} from '../domain/index.js';
import { checksOf, workspaceOf } from '../domain/rig/settings.js';
import type { RigErrand, RigEvent } from '../domain/index.js';
import { Errands } from './errands.js';
import { lookAt, mergeOptions } from './fleet-activities.js';
import { FleetPublisher } from './fleet-publish.js';
import { measure } from './measure.js';
import type { Nothing, UpdateAnswer } from './messages.js';
import {
  askSlotSignal,
  configureUpdate,
  enqueueMergeSignal,
  pauseRigUpdate,
  probeProgressSignal,
  removeRigUpdate,
  resumeRigUpdate,
  returnSlotSignal,
  rigStateQuery,
  withdrawMergeSignal,
} from './rig-messages.js';
import { runLength } from './run-length.js';
import { goOn, listenForVersion } from './version.js';

/** A dead holder blocks a place for so long at most. Only while something is held: about ten history events a look. */
const lookEvery = 60_000;
/** Of one look; more are left to the next one. The holders of slots and of running merges come first. */
const looksAtOnce = 500;

const { merge: mergeActivity } = proxyActivities<RefineryActivities>({ startToCloseTimeout: '1 day' });

/** A rig: see the module's comment. */
export async function rig(input: RigInput): Promise<RigResult> {
  const problem = rigInputProblem(input);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, failureTypes.badInput);
  const story = new Rig(input);
  let cancelled = false;
  // A cancel is an order to the rig: what it holds for others has to be settled first.
  CancellationScope.current().cancelRequested.catch(() => {
    cancelled = true;
    story.apply({ type: 'removed', reason: 'cancelled by an operator' });
  });
  const result = await CancellationScope.nonCancellable(() => story.run());
  if (cancelled) throw new CancelledFailure(result.reason);
  return result;
}

class Rig {
  state: RigState;
  readonly #publisher = new FleetPublisher();
  readonly #errands = new Errands();
  /** Merges under way, by the key of their errand. */
  readonly #merges = new Map<
    string,
    { scope: CancellationScope; withdrawn: boolean; strategy: RunningMerge['strategy'] }
  >();
  #signals = 0;
  #changes = 0;

  constructor(private readonly input: RigInput) {
    this.state = input.carried ?? initialRig(input, Date.now());
    this.#listen();
    this.apply(input.carried ? { type: 'renewed' } : { type: 'tick' });
  }

  /** The only place where the state changes. */
  apply(event: RigEvent): void {
    const before = this.state;
    this.state = stepRig(before, event, Date.now());
    measure(rigMeasures(before, this.state, Date.now()));
    this.#changes += 1;
    const { state } = this;
    this.#publisher.publish({ status: rigStatus(state), rig: state.rig, attention: state.attention }, () =>
      rigDetails(this.state),
    );
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
      const length = runLength(this.#signals);
      if (rigOver(this.state) && this.#errands.idle) {
        await condition(allHandlersFinished);
        // Somebody may have asked in this very moment, and has to be refused first.
        if (rigOver(this.state)) return { status: 'removed', reason: `rig ${this.state.rig} is removed` };
        continue;
      }
      this.#keepMergesInOrder(length !== 'fine', length === 'now');
      const draining = length !== 'fine' && this.#merges.size === 0;
      if (draining && this.#errands.idle) await this.#renew();
      // What is not begun now is in the state and begun by the next run: else under load there would always be
      // something under way.
      if (!draining) this.#carryOut(length === 'fine');
      if (this.#changes === before)
        await this.#errands.orWhen(() => this.#changes !== before || runLength(this.#signals) !== length);
    }
  }

  #carryOut(mergesToo: boolean): void {
    if (mergesToo)
      for (const { workflowId, sha } of readyMerges(this.state, Date.now()))
        this.apply({ type: 'mergeStarted', workflowId, sha });
    for (const errand of rigErrands(this.state)) {
      if (errand.do !== 'merge' || mergesToo) this.#errands.begin(errand.key, () => this.#do(errand));
    }
  }

  /**
   * Interrupts a merge that nobody wants any more, and what is in the way of the next run. It stays in the state and
   * begins again.
   */
  #keepMergesInOrder(renewing: boolean, now: boolean): void {
    for (const [key, { scope, withdrawn, strategy }] of this.#merges) {
      const wanted = this.state.merging.find((merge) => key === mergeKey(merge));
      if (now || (renewing && mergedBy(strategy) === 'forge') || (wanted?.withdrawn === true && !withdrawn))
        scope.cancel();
    }
  }

  #do(errand: RigErrand): Promise<void> {
    switch (errand.do) {
      case 'grant':
        return this.#grant(errand);
      case 'tell':
        return this.#signal(errand.news.workflowId, errand.news.signal, errand.news.payload, (delivered) =>
          this.apply({ type: 'newsTold', id: errand.news.id, delivered }),
        );
      case 'merge':
        return this.#merge(errand.merge);
    }
  }

  #grant({ bead, workflowId, probe, ahead }: Extract<RigErrand, { do: 'grant' }>): Promise<void> {
    const { version, settings } = this.state;
    const granted: Granted = { bead, version, settings, ...(probe ? { probe } : {}), ahead };
    return this.#signal(workflowId, rigMessages.granted, granted, (delivered) =>
      this.apply({ type: 'grantTold', bead, delivered }),
    );
  }

  /** A workflow that has ended takes no signal: that is an answer too. */
  async #signal(workflowId: string, name: string, payload: object, then: (delivered: boolean) => void): Promise<void> {
    try {
      await getExternalWorkflowHandle(workflowId).signal(name, payload);
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.warn('a workflow that the rig had to tell something is gone', { workflowId, name, error });
      return then(false);
    }
    then(true);
  }

  async #merge(merge: RunningMerge): Promise<void> {
    const scope = new CancellationScope();
    const key = mergeKey(merge);
    const { settings, rig } = this.state;
    const { item, workflowId, branch, sha, target, priority, since, title, withdrawn } = merge;
    this.#merges.set(key, { scope, withdrawn: withdrawn === true, strategy: merge.strategy });
    try {
      const input = {
        rig,
        repo: settings.repo,
        request: { item, workflowId, branch, sha, target, priority, since, title },
        strategy: merge.strategy,
        checks: checksOf(settings),
        workspace: workspaceOf(settings),
        env: settings.agent.env,
        ...(withdrawn === true ? { withdrawn } : {}),
      };
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

  /** Workflows that were terminated give nothing back: somebody has to look. */
  async #lookAround(): Promise<never> {
    for (;;) {
      await condition(() => holders(this.state).length > 0);
      await sleep(lookEvery, { summary: 'do those who hold a slot or a merge still live?' });
      const workflowIds = holders(this.state).slice(0, looksAtOnce);
      if (workflowIds.length === 0 || runLength(this.#signals) !== 'fine') continue;
      const askedAt = Date.now();
      const gone = (await lookAt(workflowIds)).filter(({ running }) => !running);
      if (gone.length > 0) this.apply({ type: 'looked', askedAt, gone });
    }
  }

  async #renew(): Promise<never> {
    await condition(allHandlersFinished);
    return goOn<typeof rig>({ rig: this.input.rig, settings: this.state.settings, carried: this.state });
  }

  #listen(): void {
    this.#listenToWorkflows();
    this.#listenToOperators();
  }

  /** Signal handlers never throw and never trust their payload: a throw would wedge the workflow. */
  #listenToWorkflows(): void {
    const read =
      <T>(name: string, reader: (payload: unknown) => T | string, event: (value: T) => RigEvent) =>
      (payload?: unknown): void => {
        this.#signals += 1;
        const value = reader(payload);
        if (typeof value !== 'string') return this.apply(event(value));
        log.warn('a message that cannot be read was dropped', { name, problem: value });
        this.apply({ type: 'malformed', message: name, problem: value });
      };
    setHandler(
      askSlotSignal,
      read(askSlotSignal.name, readSlotRequest, (request) => ({ type: 'asked', request })),
      { description: 'A bead asks for leave to run an agent. Asking again changes nothing.' },
    );
    setHandler(
      returnSlotSignal,
      read(returnSlotSignal.name, readReturnSlot, (end) => ({ type: 'returned', end })),
      { description: 'A bead gives its slot back, and says whether its attempt was lost to the infrastructure.' },
    );
    setHandler(
      probeProgressSignal,
      read(probeProgressSignal.name, readProbeProgress, (progress) => ({ type: 'progressed', progress })),
      { description: 'The attempt that probes the infrastructure gets on: the breaker closes.' },
    );
    setHandler(
      enqueueMergeSignal,
      read(enqueueMergeSignal.name, readMergeRequest, (request) => ({ type: 'enqueued', request })),
      { description: 'A bead or a convoy wants a commit merged. The same commit twice is one entry.' },
    );
    setHandler(
      withdrawMergeSignal,
      read(withdrawMergeSignal.name, readWithdrawMerge, (withdrawal) => ({ type: 'withdrawn', withdrawal })),
      {
        description:
          'A bead or a convoy takes its entry out of the merge queue; the answer says whether it came in time.',
      },
    );
    listenForVersion(() => (this.#signals += 1));
    setDefaultSignalHandler((name) => {
      this.#signals += 1;
      log.warn('a signal that no rig knows was dropped', { name });
      this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
    });
  }

  #listenToOperators(): void {
    setHandler(rigStateQuery, (): RigView => ({ ...this.state, now: Date.now() }), {
      description: 'The full state: settings and their version, slots held and waited for, merge queue, breaker.',
    });
    const refuse = (text: string): never => {
      throw ApplicationFailure.nonRetryable(text, 'Refused');
    };
    const there = (): void => {
      if (this.state.removed) refuse(`rig ${this.state.rig} is being removed`);
    };
    setHandler(
      configureUpdate,
      (change): UpdateAnswer => {
        const { version } = this.state;
        this.apply({ type: 'configured', change });
        return {
          text:
            this.state.version === version
              ? `nothing changed; version ${version} stays`
              : `version ${this.state.version}: it applies to the next attempt and the next merge`,
        };
      },
      {
        description:
          'Change settings: {"maxAgents": 3, "checks": […], "base": null, …}. What is absent stays; null takes an optional one away.',
        validator: (change) => {
          there();
          if (typeof change !== 'object' || change === null || Array.isArray(change))
            refuse('settings are changed by one object: {"maxAgents": 3, …}');
          const problem = rigSettingsProblem(changeSettings(this.state.settings, change));
          if (problem !== undefined) refuse(problem);
          if (change.repo !== undefined && change.repo !== this.state.settings.repo && rigInUse(this.state))
            refuse(
              'the repository can only be changed while no bead runs, waits or is to be merged; add another rig for the new one',
            );
        },
      },
    );
    setHandler(
      pauseRigUpdate,
      (_: Nothing): UpdateAnswer => {
        this.apply({ type: 'paused' });
        return {
          text: `paused: no new attempts and merges; ${this.state.grants.length} agents and ${this.state.merging.length} merges go on`,
        };
      },
      {
        description: 'No new attempts and no new merges until resume; what runs goes on.',
        validator: (_: Nothing) => {
          there();
          if (this.state.paused) refuse('the rig is already paused');
        },
      },
    );
    setHandler(
      resumeRigUpdate,
      (_: Nothing): UpdateAnswer => {
        this.apply({ type: 'resumed' });
        return {
          text: this.state.breaker.open
            ? 'resumed; the breaker is open, and one attempt probes the infrastructure now'
            : rigStatus(this.state) === 'stopped'
              ? 'resumed; one attempt tries now whether the cause is mended, and all go on when it is'
              : 'resumed',
        };
      },
      {
        description:
          'Let a paused or stopped rig go on; with an open breaker or a shared cause, one attempt tries at once.',
        validator: (_: Nothing) => {
          there();
          if (rigStatus(this.state) === 'active')
            refuse('the rig is neither paused nor stopped, and its breaker is closed');
        },
      },
    );
    setHandler(
      removeRigUpdate,
      (_): UpdateAnswer => {
        this.apply({ type: 'removed', reason: 'removed by an operator' });
        const { grants, merging } = this.state;
        return {
          text:
            grants.length + merging.length === 0
              ? 'removed'
              : `is being removed as soon as ${grants.length} agents and ${merging.length} merges have ended`,
        };
      },
      {
        description: 'End the rig. {"force": true} also when beads wait for it: they are told, and wait for a person.',
        validator: (given) => {
          there();
          const { grants, waiting, queue, merging } = this.state;
          if (rigInUse(this.state) && given?.force !== true) {
            refuse(
              `the rig is in use: agents that run: ${grants.length}; beads that wait for one: ${waiting.length}; to be merged: ${queue.length + merging.length}. Cancel them first, or remove it with force`,
            );
          }
        },
      },
    );
  }
}

const mergeKey = ({ workflowId, sha }: Pick<RunningMerge, 'workflowId' | 'sha'>): string =>
  `merge ${workflowId} ${sha}`;
