/**
 * The bead workflow: one piece of work from sling to close. Input: `BeadInput`; result: `BeadResult`; ends `Completed`
 * (closed), `Canceled`, or `Failed` when its input is no good. Messages: see `messages.ts`. Waits without limit for
 * persons; continues as new by itself, in mid-attempt by adoption. All decisions are in `domain/bead/step.ts`; this is
 * the story.
 * @module
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  currentUpdateInfo,
  isCancellation,
  rootCause,
  log,
  patched,
  setHandler,
  upsertMemo,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import {
  clip,
  failureTypes,
  isFinal,
  limits,
  readAccepted,
  readCauseGone,
  readGranted,
  readHeartbeat,
  readMergeEnded,
  readNote,
  readGrantRefused,
} from '../contract/index.js';
import type { BeadInput, BeadResult, BeadState, BeadView } from '../contract/index.js';
import {
  approveProblem,
  approverOf,
  beadEffects,
  beadInputProblem,
  beadMeasures,
  beadPanel,
  carriedBead,
  changeProblem,
  initialBead,
  lossRecorded,
  mayOfferAgain,
  newlyReached,
  nextBeadDeadline,
  nextBeadInput,
  nudgeProblem,
  offerInput,
  pauseProblem,
  readByRules,
  reportOf,
  requestChangesProblem,
  restIsOver,
  resumeProblem,
  namesOfChange,
  retriedText,
  retryBeadProblem,
  salvageInput,
  stepBead,
  verifyInput,
  waitsOtherwise,
} from '../domain/index.js';
import type { BeadEffect, BeadEvent } from '../domain/index.js';
import { shortSha } from '../domain/words.js';
import { hostActivities, lookForFinishedWork, verifyWork } from './activities.js';
import { AttemptKeeper } from './keeper.js';
import { tellConvoy, tellReached, tellRig } from './landing.js';
import { Listener } from './listen.js';
import type { AttemptOwner } from './keeper.js';
import {
  acceptedSignal,
  approveUpdate,
  causeGoneSignal,
  grantedSignal,
  heartbeatSignal,
  mergeEndedSignal,
  noteSignal,
  nudgeUpdate,
  pauseUpdate,
  requestChangesUpdate,
  resumeUpdate,
  retryUpdate,
  grantRefusedSignal,
  stateQuery,
} from './messages.js';
import { lengthOfRun } from './run-length.js';
import { measure } from './measure.js';
import { Publisher } from './publish.js';
import { goOn, versionHasChanged } from './version.js';

/** A bead: see the module's comment. */
export async function bead(input: BeadInput): Promise<BeadResult> {
  const problem = beadInputProblem(input, (text) => new TextEncoder().encode(text).length);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, failureTypes.badInput);
  const life = new Bead(input);
  // A cancel is an order to the bead, not an end of its code: the agent has to be gone first.
  CancellationScope.current().cancelRequested.catch(() => life.apply({ type: 'cancel' }));
  return CancellationScope.nonCancellable(() => life.run());
}

class Bead implements AttemptOwner {
  state: BeadState;
  readonly body: string;
  readonly #publisher = new Publisher();
  readonly #listener = new Listener<BeadEvent>(
    'bead',
    (event) => this.apply(event),
    // The patch: earlier runs did not count what nobody knows.
    () => patched('unknown-signals-count'),
  );
  /** Words to the rig about the attempt under way, one after the other. */
  #telling: Promise<void> = Promise.resolve();

  constructor(private readonly input: BeadInput) {
    // Without the rules that came later: which hold is decided where they first make a difference (`apply`).
    this.state = input.carried
      ? carriedBead(input.carried)
      : { ...initialBead(input, Date.now()), lossRule: undefined, paceRule: undefined, firstLossRule: undefined };
    this.body = input.body ?? '';
    this.#listen();
    this.apply(input.carried ? { type: 'renewed' } : { type: 'tick' });
  }

  /** The only place where the state changes. */
  apply(told: BeadEvent): void {
    const before = this.state;
    // A history of an earlier version, whose patch is missing, keeps its reading.
    const event = readByRules(before, told, patched);
    this.state = stepBead(before, event, Date.now());
    // The patch: earlier runs took an agent's first word for the end of a row of losses.
    if (
      before.lossRule === undefined &&
      lossRecorded(before, this.state) &&
      patched('losses-count-until-work-is-saved')
    )
      this.state = stepBead({ ...before, lossRule: 'saved' }, event, Date.now());
    // The patch: in earlier runs, saved work was followed by the next paid start at once, however often.
    const ended = before.paceRule === undefined && this.state.current === undefined;
    const spaced = !ended
      ? this.state
      : stepBead({ ...before, lossRule: this.state.lossRule, paceRule: 'spaced' }, event, Date.now());
    if (waitsOtherwise(this.state, spaced) && patched('paid-starts-are-spaced')) this.state = spaced;
    // The patch: in earlier runs the first loss of a row was tried again after 10 s.
    if (before.firstLossRule === undefined && lossRecorded(before, this.state)) {
      const { lossRule, paceRule } = this.state;
      const atOnce = stepBead({ ...before, lossRule, paceRule, firstLossRule: 'at once' }, event, Date.now());
      if (waitsOtherwise(this.state, atOnce) && patched('a-first-loss-is-tried-again-at-once')) this.state = atOnce;
    }
    const reached = newlyReached(before, this.state);
    if (reached !== undefined && patched('a-try-tells-how-far-it-gets'))
      this.#telling = this.#telling.then(() => tellReached(this, reached));
    measure(beadMeasures(before, this.state, Date.now()));
    const { status: beadStatus, agent: agentStatus, attention } = this.state;
    this.#publisher.publish({ beadStatus, agentStatus, attention }, () => beadPanel(this.state));
  }

  async run(): Promise<BeadResult> {
    const news = this.#tellNews();
    for (;;) {
      this.apply({ type: 'tick' });
      const { state } = this;
      const [effect] = beadEffects(state);
      if (isFinal(state.status) && effect === undefined) return this.#end(news);
      if (this.renewing()) await this.#renew();
      else if (state.current !== undefined) await new AttemptKeeper(this, state.current.id).keep();
      else if (effect === undefined) await this.#rest();
      else await this.#carryOut(state, effect);
    }
  }

  /** What the state asks for between attempts. */
  async #carryOut(state: BeadState, effect: BeadEffect): Promise<void> {
    switch (effect.do) {
      case 'tellRig':
        return tellRig(this, effect.word);
      case 'salvage':
        return this.#salvage(state, effect.salvage);
      case 'offer':
        return this.#offer(state, effect.unpushed);
      case 'verify':
        return this.#verify(state);
      case 'dispatch':
        return this.apply({ type: 'dispatched', attempt: `${state.attemptCount + 1}-${uuid4().slice(0, 8)}` });
      case 'start':
      case 'stop':
      case 'tellPause':
      case 'deliver':
        throw new Error(`between attempts there is nothing to ${effect.do}`);
      default:
        return effect satisfies never;
    }
  }

  /** Not while stopping: the run that asked the host to stop must also receive the answer. */
  renewing(): boolean {
    return (
      lengthOfRun(this.#listener, limits.signalsPerRun) !== 'fine' &&
      this.state.current?.stopping === undefined &&
      !this.state.cancelling
    );
  }

  async #renew(): Promise<never> {
    await condition(allHandlersFinished);
    // The activity that watches the attempt ends with this run; beats may have been accepted up to now.
    if (this.state.current)
      this.apply({
        type: 'unwatched',
        attempt: this.state.current.id,
        text: versionHasChanged(this.#listener.toldOfVersion)
          ? 'the bead goes on with another version of Heartbead'
          : 'the history is long and goes on in a new run',
      });
    return goOn<typeof bead>([nextBeadInput(this.input, this.state)]);
  }

  /** Nothing to do until somebody says something or a back-off is over. */
  async #rest(): Promise<void> {
    const rested = this.state;
    const deadline = nextBeadDeadline(rested);
    const moved = (): boolean => restIsOver(rested, this.state) || this.renewing();
    if (deadline === undefined) await condition(moved);
    else await condition(moved, Math.max(deadline.at - Date.now(), 1), { summary: 'back-off before the next attempt' });
  }

  async #verify(state: BeadState): Promise<void> {
    const look = new CancellationScope();
    const evidence = look.run(() => verifyWork(verifyInput(state)));
    try {
      const found = await Promise.race([evidence, condition(() => isFinal(this.state.status))]);
      if (typeof found === 'object') this.apply({ type: 'evidence', evidence: found });
    } catch (error) {
      if (isCancellation(error)) return;
      this.apply({
        type: 'evidence',
        evidence: { verdict: 'missing', reason: `the remote could not be read: ${clip(String(error), 300)}` },
      });
    } finally {
      look.cancel();
      evidence.catch((error: unknown) => log.debug('the verification of an ended bead was given up', { error }));
    }
  }

  /** A lost attempt may have finished and pushed, and died before it could say so. */
  async #salvage(state: BeadState, salvage: NonNullable<BeadState['salvage']>): Promise<void> {
    try {
      const evidence = await lookForFinishedWork(salvageInput(state, salvage));
      this.apply({ type: 'salvaged', evidence });
    } catch (error) {
      log.warn('nobody could look whether the lost attempt had finished', { error });
      this.apply({ type: 'salvaged', evidence: undefined });
    }
  }

  /** Finished commits that the remote did not take are offered again by their host, before anybody is paid anew. */
  async #offer(state: BeadState, unpushed: NonNullable<BeadState['unpushed']>): Promise<void> {
    const scope = new CancellationScope();
    const offer = scope.run(() =>
      hostActivities(unpushed.host, workflowInfo().taskQueue, state.clocks, state.clocks.adoptWithin).offerWork(
        offerInput(state, unpushed),
      ),
    );
    try {
      const answer = await Promise.race([offer, condition(() => isFinal(this.state.status))]);
      if (typeof answer === 'object') this.apply({ type: 'offered', answer });
    } catch (error) {
      if (isCancellation(error)) return;
      const reason =
        `host ${unpushed.host}, which keeps the finished commits, could not push them: ` +
        `${clip(rootCause(error) ?? String(error), 300)}`;
      this.apply({ type: 'offered', answer: { pushed: false, reason, mayPass: true } });
    } finally {
      scope.cancel();
      offer.catch((error: unknown) => log.debug('the offer of an ended bead was given up', { error }));
    }
  }

  /** The convoy hears of each change that matters to it, in order, the end included. */
  async #tellNews(): Promise<void> {
    const { convoy } = this.state;
    if (convoy === undefined) return;
    // A new run tells once more: what the last one was about to say may not have been said.
    let told = '';
    for (;;) {
      await condition(() => JSON.stringify(reportOf(this.state)) !== told);
      const report = reportOf(this.state);
      if (report === undefined) return;
      told = JSON.stringify(report);
      await tellConvoy(convoy, report, () => JSON.stringify(reportOf(this.state)) !== told);
      // The patch: a bead that ended while an earlier report was on its way left its convoy to find that out by itself.
      if (isFinal(report.status) || (isFinal(this.state.status) && !patched('the-end-is-told'))) return;
    }
  }

  async #end(news: Promise<void>): Promise<BeadResult> {
    await news;
    await condition(allHandlersFinished);
    const { state } = this;
    if (state.status === 'cancelled') throw new CancelledFailure(state.reason);
    return {
      status: state.status === 'closed' ? 'closed' : 'failed',
      attempts: state.attemptCount,
      reason: state.reason,
      branch: state.branch,
      sha: state.sha,
      base: state.baseSha,
    };
  }

  #listen(): void {
    const listener = this.#listener;
    listener.signal(
      heartbeatSignal,
      readHeartbeat,
      (signal) => ({ type: 'heartbeat', signal }),
      'The agent of an attempt is alive, and what it does. Sent by its runner.',
    );
    listener.signal(
      acceptedSignal,
      readAccepted,
      (signal) => ({ type: 'accepted', signal }),
      'A host has taken the attempt and prepares it. Sent by startAgent.',
    );
    listener.signal(
      noteSignal,
      readNote,
      (note) => ({ type: 'note', note }),
      'The agent notes something for people and later attempts, or asks for help.',
    );
    if (this.input.rig !== undefined) {
      listener.signal(
        grantedSignal,
        readGranted,
        (grant) => ({ type: 'granted', grant }),
        'The rig grants one attempt, with its settings. Sent by the rig.',
      );
      listener.signal(
        grantRefusedSignal,
        readGrantRefused,
        (refused) => ({ type: 'grantRefused', refused }),
        'The rig has no place for this bead any more. Sent by the rig.',
        () => patched('a-refused-slot-is-heard'),
      );
      listener.signal(
        causeGoneSignal,
        readCauseGone,
        ({ ordered }) => ({ type: 'causeGone', ordered }),
        'What had blocked this bead and others is mended. Sent by the rig.',
      );
      listener.signal(
        mergeEndedSignal,
        readMergeEnded,
        (ended) => ({ type: 'mergeEnded', ended }),
        'How the merge of this bead ended. Sent by the rig.',
      );
    }
    listener.others();
    setHandler(stateQuery, (): BeadView => this.#view(), {
      description: 'The full state: status, clocks and next deadline, attempts with outcomes, branch and commit.',
    });
    this.#listenToOperators();
  }

  #listenToOperators(): void {
    const listener = this.#listener;
    listener.update(
      nudgeUpdate,
      'Say something to the agent: {"text": "…"}.',
      (given) => nudgeProblem(this.state, given?.text),
      ({ text }) => {
        this.apply({
          type: 'nudge',
          message: { id: currentUpdateInfo()?.id ?? uuid4(), text, from: 'operator', at: Date.now() },
        });
        return {
          text: this.state.current?.spawnedAt === undefined ? 'kept for the next agent' : 'on its way to the agent',
        };
      },
    );
    listener.update(
      retryUpdate,
      'Try a blocked or backing-off bead again at once. {"now": true} also gives up a suspect attempt: its agent ' +
        'may still run on a host out of reach, frozen by its lease at the latest after leaseFor. {"agent": {…}, ' +
        '"base": "…"} change them from the next attempt on.',
      (given) => retryBeadProblem(this.state, given?.now === true) ?? changeProblem(this.state, given ?? {}),
      (given) => {
        const { agent, base } = given ?? {};
        this.apply({ type: 'retry', now: given?.now === true, agent, base });
        // Lists show it without asking the bead.
        if (agent !== undefined) upsertMemo({ agent: agent.adapter });
        // The patch: earlier runs did such work anew.
        if (mayOfferAgain(this.state) && patched('a-retry-offers-verified-work')) this.apply({ type: 'offeredAgain' });
        return { text: retriedText(this.state), changed: namesOfChange({ agent, base }) };
      },
    );
    listener.update(
      approveUpdate,
      'Approve the work at its verified commit, so that it is merged: {"by": "…", "signature": "…"}. Where the ' +
        'rig has approvers, one of them signs: `heartbead approve BEAD --key FILE`.',
      // From a form in the Web UI it may come without anything.
      (given) =>
        approveProblem(
          this.state,
          (given as { signature?: unknown } | null | undefined)?.signature,
          workflowInfo().namespace,
        ),
      (given) => {
        // From a form in the Web UI it may come without anything.
        const by: unknown = (given as { by?: unknown } | null | undefined)?.by;
        const name = typeof by === 'string' && by.trim() !== '' ? clip(by, 100) : 'an operator';
        const signature = given?.signature ?? undefined;
        const key = signature && approverOf(this.state, signature, workflowInfo().namespace);
        this.apply({ type: 'approve', by: key === undefined ? name : `${name}, with the key ${key}`, signature });
        return { text: `approved at ${shortSha(this.state.sha ?? '')}; it is in the merge queue` };
      },
    );
    listener.update(
      requestChangesUpdate,
      'Send the work back with advice: {"feedback": "…"}.',
      (given) => requestChangesProblem(this.state, given?.feedback),
      ({ feedback }) => {
        this.apply({ type: 'requestChanges', feedback });
        return { text: this.state.reason };
      },
    );
    listener.update(
      pauseUpdate,
      'Freeze the agent (SIGSTOP) and all clocks; no attempt starts until resume.',
      () => pauseProblem(this.state),
      async () => {
        this.apply({ type: 'pause' });
        return { text: await this.#heard(true) };
      },
    );
    listener.update(
      resumeUpdate,
      'Let a paused bead go on.',
      () => resumeProblem(this.state),
      async () => {
        this.apply({ type: 'resume' });
        return { text: await this.#heard(false) };
      },
    );
  }

  /** Waits until the host has heard of the pause, but not long: it is told as soon as it answers. */
  async #heard(paused: boolean): Promise<string> {
    const settled = (): boolean => {
      const { current } = this.state;
      return (
        this.state.paused !== paused ||
        isFinal(this.state.status) ||
        current?.spawnedAt === undefined ||
        current.pauseTold === paused
      );
    };
    const heard = await condition(settled, 20_000, { summary: 'wait for the host to hear of the pause' });
    if (!heard) return `${paused ? 'paused' : 'resumed'}; the host has not answered yet and is told as soon as it does`;
    if (this.state.current?.spawnedAt === undefined)
      return paused ? 'paused: no attempt starts until resume' : 'resumed';
    return paused ? 'paused: the agent is frozen' : 'resumed: the agent goes on';
  }

  #view(): BeadView {
    return { ...this.state, now: Date.now(), deadline: nextBeadDeadline(this.state) };
  }
}
