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
  patched,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import {
  beadOfWorkflowId,
  beadWorkflowId,
  convoyBeadId,
  failureTypes,
  limits,
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
  convoyEffects,
  convoyLookEvery,
  convoyLooks,
  convoyPanel,
  convoyProblem,
  convoyView,
  initialConvoy,
  nextConvoyInput,
  pauseConvoyProblem,
  removeProblem,
  resumeConvoyProblem,
  retryProblem,
  startConvoyProblem,
  stepConvoy,
  waitingReason,
} from '../domain/index.js';
import type { ConvoyEvent, RunLength } from '../domain/index.js';
import { ConvoyEffects } from './convoy-effects.js';
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
import { EffectRunner } from './effect-runner.js';
import { describeWorkflows } from './fleet-activities.js';
import { Listener } from './listen.js';
import { mergeEndedSignal } from './messages.js';
import type { UpdateAnswer } from './messages.js';
import { Publisher } from './publish.js';
import { lengthOfRun } from './run-length.js';
import { deafRig, tell } from './tell.js';
import { goOn } from './version.js';

/** A convoy: see the module's comment. */
export async function convoy(input: ConvoyInput): Promise<ConvoyResult> {
  const problem = input?.carried === undefined ? problemOf(input?.spec) : undefined;
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, failureTypes.badInput);
  const life = new Convoy(input);
  // A cancel is an order to the convoy: its beads have to be gone first.
  CancellationScope.current().cancelRequested.catch(() => life.apply({ type: 'cancel' }));
  return CancellationScope.nonCancellable(() => life.run());
}

/** The patch: earlier convoys did not weigh the needs of their beads. */
function problemOf(spec: unknown): string | undefined {
  const before = convoyProblem(spec, false);
  const now = convoyProblem(spec);
  return before === now || patched('needs-have-weight') ? now : before;
}

class Convoy {
  state: ConvoyState;
  readonly #publisher = new Publisher();
  readonly #listener = new Listener<ConvoyEvent>('convoy', (event) => this.apply(event));
  readonly #effects = new EffectRunner();
  readonly #does = new ConvoyEffects(this);
  #changes = 0;
  /** Words on their way to the rig. */
  #telling = 0;

  constructor(private readonly input: ConvoyInput) {
    this.state = input.carried ?? initialConvoy(input, Date.now());
    this.#listen();
    this.apply(input.carried ? { type: 'renewed' } : { type: 'tick' });
  }

  /** The only place where the state changes. */
  apply(event: ConvoyEvent): void {
    this.state = stepConvoy(this.state, event, Date.now());
    this.#changes += 1;
    const { status: beadStatus, rig, convoy, attention } = this.state;
    this.#publisher.publish({ beadStatus, rig, convoy, attention }, () => convoyPanel(this.state));
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
      const length = this.#length();
      // What may still be under way (a question to the remote) matters to nobody any more.
      if (this.state.endedAt !== undefined) return this.#end();
      if (length !== 'fine' && this.#mayRenew(length)) await this.#renew();
      for (const effect of convoyEffects(this.state, { length, underWay: this.#effects.underWay }))
        this.#effects.begin(effect.key, () => this.#does.do(effect));
      if (this.#changes === before)
        await this.#effects.orWhen(() => this.#changes !== before || this.#length() !== length);
    }
  }

  /**
   * Near the server's limits only a word on its way to the rig is waited for: a look at a remote that is away may take
   * hours, and the next run begins it anew. The patch: earlier runs waited for all that was under way.
   */
  #mayRenew(length: RunLength): boolean {
    if (this.#effects.idle) return true;
    return length === 'now' && this.#telling === 0 && patched('a-long-convoy-waits-for-no-look');
  }

  #length(): RunLength {
    return lengthOfRun(this.#listener);
  }

  async #renew(): Promise<never> {
    await condition(allHandlersFinished);
    return goOn<typeof convoy>([nextConvoyInput(this.input, this.state)], {
      workflowTaskTimeout: limits.workflowTask,
    });
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
      sha: status === 'landed' ? landing?.sha : undefined,
    };
  }

  async #lookAround(): Promise<never> {
    for (;;) {
      await condition(() => convoyLooks(this.state));
      await sleep(convoyLookEvery, { summary: 'do the beads that run still live?' });
      if (this.#length() === 'fine') await this.look();
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
    const looks = await describeWorkflows(workflowIds, true);
    const ended = looks.filter((look) => !look.running);
    const gone = ended.flatMap(({ workflowId, status, report }) => {
      const bead = beadOfWorkflowId(workflowId);
      return bead === undefined ? [] : [{ bead, status, report }];
    });
    if (gone.length > 0) this.apply({ type: 'looked', askedAt, gone });
    if (this.state.landing?.step === 'queued' && ended.some(({ workflowId }) => rig.includes(workflowId)))
      this.apply({ type: 'landingStuck', reason: `rig ${state.rig} does not exist any more` });
  }

  /**
   * Tells the rig. While that takes no more signals the convoy waits, but not beyond its own run: what is untold then
   * is in its state as such.
   * @returns why the rig never will have heard it.
   */
  async tellRig(
    name: typeof rigMessages.enqueueMerge | typeof rigMessages.withdrawMerge,
    payload: MergeRequest | WithdrawMerge,
  ): Promise<string | undefined> {
    const { ending } = this.state;
    const moot = (): boolean =>
      this.#length() !== 'fine' || this.state.ending !== ending || this.state.landing?.queuedSha !== payload.sha;
    this.#telling += 1;
    const told = await tell(rigWorkflowId(this.state.rig), name, payload, { moot });
    this.#telling -= 1;
    if (told === 'untold') this.apply({ type: 'rigNotTold' });
    return deafRig(this.state.rig, told);
  }

  #listen(): void {
    const listener = this.#listener;
    listener.signal(
      beadReportSignal,
      readBeadReport,
      (report) => ({ type: 'report', report }),
      'How a bead of the convoy stands now, or how it ended. Sent by the bead.',
    );
    listener.signal(
      mergeEndedSignal,
      readMergeEnded,
      (ended) => ({ type: 'mergeEnded', ended }),
      'How the landing of the integration branch ended. Sent by the rig.',
    );
    listener.others();
    setHandler(convoyStateQuery, (): ConvoyView => convoyView(this.state, Date.now()), {
      description: 'The full state: beads with status and needs, what each waits for, progress, landing.',
    });
    this.#listenToOperators();
  }

  #listenToOperators(): void {
    const listener = this.#listener;
    const take = (event: ConvoyEvent): UpdateAnswer => {
      this.apply(event);
      return { text: `${this.state.status}: ${this.state.reason}` };
    };
    listener.update(
      startConvoyUpdate,
      'Start a staged convoy; also tries again what waits for a person.',
      () => startConvoyProblem(this.state),
      () => take({ type: 'start' }),
    );
    listener.update(
      pauseConvoyUpdate,
      'Nothing new starts until resume; what runs goes on.',
      () => pauseConvoyProblem(this.state),
      () => take({ type: 'pause' }),
    );
    listener.update(
      resumeConvoyUpdate,
      'Let a paused convoy go on; also tries again a failed preparation, start or landing.',
      () => resumeConvoyProblem(this.state),
      () => take({ type: 'resume' }),
    );
    listener.update(
      addBeadUpdate,
      'Add a bead: {"bead": {"id": "…", "title": "…", "needs": ["…"]}}.',
      (given) => addProblem(this.state, given?.bead),
      ({ bead }) => {
        this.apply({ type: 'addBead', bead });
        return { text: `${bead.id} is part of the convoy: ${waitingReason(this.state, bead.id) ?? 'it is skipped'}` };
      },
    );
    listener.update(
      removeBeadUpdate,
      'Take a bead out, and cancel it if it runs: {"id": "…"}. {"release": true}: those that need it go on without it.',
      (given) => removeProblem(this.state, given?.id, given?.release === true),
      ({ id, release }) => {
        this.apply({ type: 'removeBead', id, release: release === true });
        return {
          text: this.state.beads.some((bead) => bead.id === id)
            ? `${id} leaves the convoy as soon as its agent is gone`
            : `${id} is no longer part of the convoy`,
        };
      },
    );
    listener.update(
      retryBeadUpdate,
      'Start a failed or cancelled bead again, as a new workflow: {"id": "…"}.',
      (given) => retryProblem(this.state, given?.id),
      ({ id }) => {
        this.apply({ type: 'retryBead', id });
        return { text: `${id} ${waitingReason(this.state, id) ?? 'is to be started again'}` };
      },
    );
  }
}
