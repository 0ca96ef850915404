/**
 * The convoy workflow: beads with dependencies that land together. Input: `ConvoyInput`; result: `ConvoyResult`. It
 * ends `Completed` (landed, or failed by its policy), `Canceled` when all its beads are gone, or `Failed` when its
 * input is no good. Beads are workflows of their own: started by an activity, heard by signals, looked at from time to
 * time. Continues as new by itself. All decisions are in `domain/convoy`; this is the shell.
 * @module
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  setDefaultSignalHandler,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import {
  beadOfWorkflowId,
  beadWorkflowId,
  convoyBeadId,
  failureTypes,
  readBeadReport,
  readMergeEnded,
  rigWorkflowId,
} from '../contract/index.js';
import type {
  ConvoyInput,
  ConvoyResult,
  ConvoyState,
  ConvoyView,
  MergeRequest,
  rigMessages,
  WithdrawMerge,
} from '../contract/index.js';
import {
  addProblem,
  convoyDetails,
  convoyErrands,
  convoyProblem,
  convoyProgress,
  initialConvoy,
  landingItem,
  looksNeeded,
  personNeeded,
  removeProblem,
  retryProblem,
  stepConvoy,
  waitingReason,
} from '../domain/index.js';
import type { ConvoyErrand, ConvoyEvent } from '../domain/index.js';
import { ConvoyErrands } from './convoy-errands.js';
import {
  addBeadUpdate,
  beadReportSignal,
  convoyStateQuery,
  pauseConvoyUpdate,
  removeBeadUpdate,
  resumeConvoyUpdate,
  retryBeadUpdate,
  startConvoyUpdate,
} from './convoy-messages.js';
import { Errands } from './errands.js';
import { lookAt } from './fleet-activities.js';
import { FleetPublisher } from './fleet-publish.js';
import { mergeEndedSignal } from './messages.js';
import type { Nothing, UpdateAnswer } from './messages.js';
import { runLength } from './run-length.js';
import { goOn, listenForVersion } from './version.js';

/**
 * A bead that was terminated tells nobody. Its convoy may hear of it late: nothing is held by it, as a slot would be.
 */
const lookEvery = 5 * 60_000;
/** Starts under way at once: hundreds of beads may become ready in one moment, and each is a request or two. */
const startsAtOnce = 20;

/** A convoy: see the module's comment. */
export async function convoy(input: ConvoyInput): Promise<ConvoyResult> {
  const problem = input?.carried === undefined ? convoyProblem(input?.spec) : undefined;
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, failureTypes.badInput);
  const story = new Convoy(input);
  // A cancel is an order to the convoy: its beads have to be gone first.
  CancellationScope.current().cancelRequested.catch(() => story.apply({ type: 'cancel' }));
  return CancellationScope.nonCancellable(() => story.run());
}

class Convoy {
  state: ConvoyState;
  readonly #publisher = new FleetPublisher();
  readonly #errands = new Errands();
  readonly #does = new ConvoyErrands(this);
  #signals = 0;
  #changes = 0;

  constructor(private readonly input: ConvoyInput) {
    this.state = input.carried ?? initialConvoy(input, Date.now());
    this.#listen();
    this.apply(input.carried ? { type: 'renewed' } : { type: 'tick' });
  }

  /** The only place where the state changes. */
  apply(event: ConvoyEvent): void {
    this.state = stepConvoy(this.state, event, Date.now());
    this.#changes += 1;
    const { state } = this;
    this.#publisher.publish(
      { status: state.status, rig: state.rig, convoy: state.convoy, attention: state.attention },
      () => convoyDetails(this.state),
    );
  }

  async run(): Promise<ConvoyResult> {
    const main = this.#run();
    // The other part ends only by an error, which is a bug and must not be swallowed.
    await Promise.race([main, this.#lookAround()]);
    return main;
  }

  async #run(): Promise<ConvoyResult> {
    for (;;) {
      const before = this.#changes;
      const length = runLength(this.#signals);
      // What may still be under way (a question to the remote) matters to nobody any more.
      if (this.state.endedAt !== undefined) return this.#end();
      // All errands are short; what is not begun now is in the state and begun by the next run.
      if (length !== 'fine' && this.#errands.idle) await this.#renew();
      if (length === 'fine') for (const errand of convoyErrands(this.state)) this.#begin(errand);
      if (this.#changes === before)
        await this.#errands.orWhen(() => this.#changes !== before || runLength(this.#signals) !== length);
    }
  }

  #begin(errand: ConvoyErrand): void {
    if (errand.do === 'start' && this.#errands.count >= startsAtOnce) return;
    this.#errands.begin(errand.key, () => this.#does.do(errand));
  }

  async #renew(): Promise<never> {
    await condition(allHandlersFinished);
    // The bodies are in the state: twice they could be more than one payload may hold.
    return goOn<typeof convoy>({ spec: { ...this.input.spec, beads: [] }, carried: this.state });
  }

  async #end(): Promise<ConvoyResult> {
    await condition(allHandlersFinished);
    const { beads, status, reason, landing } = this.state;
    if (status === 'cancelled') throw new CancelledFailure(reason);
    return {
      status: status === 'landed' ? 'landed' : 'failed',
      merged: beads.filter((bead) => bead.status === 'merged').map(({ id }) => id),
      notMerged: beads
        .filter((bead) => bead.status !== 'merged')
        .map((bead) => ({ id: bead.id, status: bead.status, reason: bead.reason ?? '' })),
      ...(status === 'landed' && landing?.sha !== undefined ? { sha: landing.sha } : {}),
    };
  }

  async #lookAround(): Promise<never> {
    for (;;) {
      await condition(() => looksNeeded(this.state));
      await sleep(lookEvery, { summary: 'do the beads that run still live?' });
      if (runLength(this.#signals) === 'fine') await this.look();
    }
  }

  /** @param only these beads, by their ids in the convoy; all that run when absent. */
  async look(only?: readonly string[]): Promise<void> {
    const { state } = this;
    const running = state.beads.filter(({ id, status }) => status === 'running' && only?.includes(id) !== false);
    const rig = state.landing?.step === 'queued' && only === undefined ? [rigWorkflowId(state.rig)] : [];
    const workflowIds = [...running.map(({ id }) => beadWorkflowId(convoyBeadId(state.convoy, id))), ...rig];
    if (workflowIds.length === 0) return;
    const askedAt = Date.now();
    const looks = await lookAt(workflowIds, true);
    const ended = looks.filter((look) => !look.running);
    const gone = ended.flatMap(({ workflowId, status, report }) => {
      const bead = beadOfWorkflowId(workflowId);
      return bead === undefined ? [] : [{ bead, status, report }];
    });
    if (gone.length > 0) this.apply({ type: 'looked', askedAt, gone });
    if (this.state.landing?.step === 'queued' && ended.some(({ workflowId }) => rig.includes(workflowId)))
      this.apply({ type: 'landingStuck', reason: `rig ${state.rig} does not exist any more` });
  }

  /** Tells the rig. @returns false when there is no such rig. */
  async tellRig(
    name: typeof rigMessages.enqueueMerge | typeof rigMessages.withdrawMerge,
    payload: MergeRequest | WithdrawMerge,
  ): Promise<boolean> {
    try {
      await getExternalWorkflowHandle(rigWorkflowId(this.state.rig)).signal(name, payload);
      return true;
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.warn('the rig of a convoy does not answer', { rig: this.state.rig, name, error });
      return false;
    }
  }

  /** Signal handlers never throw and never trust their payload: a throw would wedge the workflow. */
  #listen(): void {
    const read =
      <T>(name: string, reader: (payload: unknown) => T | string, event: (value: T) => ConvoyEvent) =>
      (payload?: unknown): void => {
        this.#signals += 1;
        const value = reader(payload);
        if (typeof value !== 'string') return this.apply(event(value));
        log.warn('a message that cannot be read was dropped', { name, problem: value });
        this.apply({ type: 'malformed', message: name, problem: value });
      };
    setHandler(
      beadReportSignal,
      read(beadReportSignal.name, readBeadReport, (report) => ({ type: 'report', report })),
      { description: 'How a bead of the convoy stands now, or how it ended. Sent by the bead.' },
    );
    setHandler(
      mergeEndedSignal,
      read(mergeEndedSignal.name, readMergeEnded, (ended) => ({ type: 'mergeEnded', ended })),
      { description: 'How the landing of the integration branch ended. Sent by the rig.' },
    );
    listenForVersion(() => (this.#signals += 1));
    setDefaultSignalHandler((name) => {
      this.#signals += 1;
      log.warn('a signal that no convoy knows was dropped', { name });
      this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
    });
    setHandler(convoyStateQuery, (): ConvoyView => this.#view(), {
      description: 'The full state: beads with status and needs, what each waits for, progress, landing.',
    });
    this.#listenToOperators();
  }

  #listenToOperators(): void {
    const refuse = (text: string | undefined): void => {
      if (text !== undefined) throw ApplicationFailure.nonRetryable(text, 'Refused');
    };
    const alive = (): void => {
      const { endedAt, ending, status, reason } = this.state;
      if (endedAt !== undefined || ending !== undefined) refuse(`the convoy is ${status}: ${reason}`);
    };
    const answer = (): UpdateAnswer => ({ text: `${this.state.status}: ${this.state.reason}` });
    setHandler(
      startConvoyUpdate,
      (_: Nothing): UpdateAnswer => {
        this.apply({ type: 'start' });
        return answer();
      },
      {
        description: 'Start a staged convoy; also tries again what waits for a person.',
        validator: (_: Nothing) => {
          alive();
          if (!this.state.staged && personNeeded(this.state).length === 0)
            refuse('the convoy has been started already');
        },
      },
    );
    setHandler(
      pauseConvoyUpdate,
      (_: Nothing): UpdateAnswer => {
        this.apply({ type: 'pause' });
        return answer();
      },
      {
        description: 'Nothing new starts until resume; what runs goes on.',
        validator: (_: Nothing) => {
          alive();
          if (this.state.paused) refuse('the convoy is already paused');
        },
      },
    );
    setHandler(
      resumeConvoyUpdate,
      (_: Nothing): UpdateAnswer => {
        this.apply({ type: 'resume' });
        return answer();
      },
      {
        description: 'Let a paused convoy go on; also tries again a failed preparation, start or landing.',
        validator: (_: Nothing) => {
          alive();
          if (!this.state.paused && personNeeded(this.state).length === 0)
            refuse('the convoy is neither paused nor waits for a person');
        },
      },
    );
    setHandler(
      addBeadUpdate,
      ({ bead }): UpdateAnswer => {
        this.apply({ type: 'addBead', bead });
        return { text: `${bead.id} is part of the convoy: ${waitingReason(this.state, bead.id) ?? 'it is skipped'}` };
      },
      {
        description: 'Add a bead: {"bead": {"id": "…", "title": "…", "needs": ["…"]}}.',
        validator: (given) =>
          refuse(
            typeof given?.bead === 'object' && given.bead !== null
              ? addProblem(this.state, given.bead)
              : 'a bead is added by {"bead": {"id": "…", "title": "…", "needs": []}}',
          ),
      },
    );
    setHandler(
      removeBeadUpdate,
      ({ id, release }): UpdateAnswer => {
        this.apply({ type: 'removeBead', id, release: release === true });
        return {
          text: this.state.beads.some((bead) => bead.id === id)
            ? `${id} leaves the convoy as soon as its agent is gone`
            : `${id} is no longer part of the convoy`,
        };
      },
      {
        description:
          'Take a bead out, and cancel it if it runs: {"id": "…"}. {"release": true}: those that need it go on without it.',
        validator: (given) => refuse(removeProblem(this.state, given?.id, given?.release === true)),
      },
    );
    setHandler(
      retryBeadUpdate,
      ({ id }): UpdateAnswer => {
        this.apply({ type: 'retryBead', id });
        return { text: `${id} ${waitingReason(this.state, id) ?? 'is to be started again'}` };
      },
      {
        description: 'Start a failed or cancelled bead again, as a new workflow: {"id": "…"}.',
        validator: (given) => refuse(retryProblem(this.state, given?.id)),
      },
    );
  }

  #view(): ConvoyView {
    const { state } = this;
    const waiting = state.beads.flatMap(({ id }) => {
      const text = waitingReason(state, id);
      return text === undefined ? [] : [{ id, text }];
    });
    return { ...state, now: Date.now(), progress: convoyProgress(state), waiting };
  }

  /** For the rig: the landing of the integration branch as one item of its queue. */
  landingRequest(sha: string): MergeRequest {
    const { convoy, targetBranch = '', base = '', beads, createdAt, title } = this.state;
    return {
      item: landingItem(convoy),
      workflowId: workflowInfo().workflowId,
      branch: targetBranch,
      sha,
      target: base,
      // As urgent as its most urgent bead.
      priority: Math.min(...beads.map(({ priority }) => priority ?? 3)),
      since: createdAt,
      title,
    };
  }
}
