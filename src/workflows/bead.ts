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
  setDefaultSignalHandler,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import {
  clip,
  failureTypes,
  isFinal,
  limits,
  nulProblem,
  readAccepted,
  readCauseGone,
  readGranted,
  readHeartbeat,
  readMergeEnded,
  readNote,
} from '../contract/index.js';
import type { BeadInput, BeadResult, BeadState, BeadView } from '../contract/index.js';
import {
  beadInputProblem,
  initialState,
  landingErrand,
  lossRecorded,
  newlyReached,
  readByRules,
  mayDispatch,
  mayOfferAgain,
  nextDeadline,
  reportOf,
  step,
  waitsOtherwise,
} from '../domain/index.js';
import type { BeadEvent, LandingErrand } from '../domain/index.js';
import { hostActivities, lookForFinishedWork, verifyWork } from './activities.js';
import { AttemptKeeper } from './keeper.js';
import { runLandingErrand, tellConvoy, tellReached } from './landing.js';
import type { Keep } from './keeper.js';
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
  stateQuery,
} from './messages.js';
import type { Nothing, UpdateAnswer } from './messages.js';
import { Publisher } from './publish.js';
import { goOn, listenForVersion, versionHasChanged } from './version.js';

/** A bead: see the module's comment. */
export async function bead(input: BeadInput): Promise<BeadResult> {
  const problem = beadInputProblem(input, (text) => new TextEncoder().encode(text).length);
  if (problem !== undefined) throw ApplicationFailure.nonRetryable(problem, failureTypes.badInput);
  const story = new Bead(input);
  // A cancel is an order to the bead, not an end of its code: the agent has to be gone first.
  CancellationScope.current().cancelRequested.catch(() => story.apply({ type: 'cancel' }));
  return CancellationScope.nonCancellable(() => story.run());
}

class Bead implements Keep {
  state: BeadState;
  readonly body: string;
  readonly #publisher = new Publisher();
  #signals = 0;
  /** Words to the rig about the attempt under way, one after the other. */
  #telling: Promise<void> = Promise.resolve();
  #withdrawAsked = false;

  constructor(private readonly input: BeadInput) {
    // Without the rules that came later: which hold is decided where they first make a difference (`apply`).
    this.state = input.carried ?? { ...initialState(input, Date.now()), lossRule: undefined, paceRule: undefined };
    this.body = input.body ?? '';
    this.#listen();
    this.apply(input.carried ? { type: 'renewed' } : { type: 'tick' });
  }

  /** The only place where the state changes. */
  apply(told: BeadEvent): void {
    const before = this.state;
    // A history of an earlier version, whose patch is missing, keeps its reading.
    const event = readByRules(before, told, patched);
    this.state = step(before, event, Date.now());
    // The patch: runs of before took an agent's first word for the end of a row of losses.
    if (
      before.lossRule === undefined &&
      lossRecorded(before, this.state) &&
      patched('losses-count-until-work-is-saved')
    )
      this.state = step({ ...before, lossRule: 'saved' }, event, Date.now());
    // The patch: in runs of before, saved work was followed by the next paid start at once, however often.
    const ended = before.paceRule === undefined && this.state.current === undefined;
    const spaced = !ended
      ? this.state
      : step({ ...before, lossRule: this.state.lossRule, paceRule: 'spaced' }, event, Date.now());
    if (waitsOtherwise(before, this.state, spaced) && patched('paid-starts-are-spaced')) this.state = spaced;
    const reached = newlyReached(before, this.state);
    if (reached !== undefined && patched('a-try-tells-how-far-it-gets'))
      this.#telling = this.#telling.then(() => tellReached(this.state, reached));
    this.#publisher.publish(this.state);
  }

  async run(): Promise<BeadResult> {
    const news = this.#tellNews();
    for (;;) {
      this.apply({ type: 'tick' });
      const { state } = this;
      const errand = landingErrand(state);
      if (isFinal(state.status) && errand === undefined) return this.#end(news);
      if (this.renewing()) await this.#renew();
      else if (state.current !== undefined) await new AttemptKeeper(this, state.current.id).keep();
      else if (errand !== undefined && !this.#withdrawn(errand))
        await runLandingErrand(state, errand, (event) => this.apply(event));
      else if (state.salvage !== undefined) await this.#salvage(state.salvage);
      else if (state.unpushed !== undefined && state.wait === undefined && !state.paused && !state.cancelling)
        await this.#offer(state, state.unpushed);
      else if (state.wait?.for === 'verification') await this.#verify(state);
      else if (state.paused || state.cancelling || state.wait !== undefined || !mayDispatch(state)) await this.#rest();
      else this.apply({ type: 'dispatched', attempt: `${state.attemptCount + 1}-${uuid4().slice(0, 8)}` });
    }
  }

  /** Not while stopping: the run that asked the host to stop must also receive the answer. */
  renewing(): boolean {
    const info = workflowInfo();
    const full =
      info.continueAsNewSuggested || info.historyLength > limits.historyEvents || this.#signals > limits.signalsPerRun;
    return (full || versionHasChanged()) && this.state.current?.stopping === undefined && !this.state.cancelling;
  }

  async #renew(): Promise<never> {
    await condition(allHandlersFinished);
    // The activity that watches the attempt ends with this run; beats may have been accepted up to now.
    if (this.state.current)
      this.apply({
        type: 'unwatched',
        attempt: this.state.current.id,
        text: versionHasChanged()
          ? 'the bead goes on with another version of Heartbead'
          : 'the history is long and goes on in a new run',
      });
    return goOn<typeof bead>({ ...this.input, carried: this.state });
  }

  /** Nothing to do until somebody says something or a back-off is over. */
  async #rest(): Promise<void> {
    const before = this.state;
    const deadline = nextDeadline(before);
    const errand = landingErrand(before);
    const moved = (): boolean =>
      isFinal(this.state.status) ||
      this.state.wait !== before.wait ||
      this.state.paused !== before.paused ||
      this.state.landing?.slot !== before.landing?.slot ||
      landingErrand(this.state) !== errand ||
      this.renewing();
    if (deadline === undefined) await condition(moved);
    else await condition(moved, Math.max(deadline.at - Date.now(), 1), { summary: 'back-off before the next attempt' });
  }

  async #verify(state: BeadState): Promise<void> {
    const last = state.attempts.at(-1);
    if (last === undefined || state.branch === undefined)
      throw new Error('a verification without an attempt and its branch');
    const look = new CancellationScope();
    const evidence = look.run(() =>
      verifyWork({
        bead: state.bead,
        attempt: last.id,
        repo: state.repo,
        branch: state.branch ?? '',
        base: state.base,
        baseSha: state.baseSha,
        sha: state.sha,
      }),
    );
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
  async #salvage(salvage: NonNullable<BeadState['salvage']>): Promise<void> {
    const { state } = this;
    try {
      const evidence = await lookForFinishedWork({
        bead: state.bead,
        attempt: salvage.attempt,
        repo: state.repo,
        branch: salvage.branch,
        base: state.base,
        baseSha: state.baseSha,
        vouchKey: salvage.vouchKey,
      });
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
      hostActivities(unpushed.host, workflowInfo().taskQueue, state.clocks, state.clocks.adoptWithin).offerWork({
        bead: state.bead,
        attempt: unpushed.attempt,
        repo: state.repo,
        sha: unpushed.sha,
      }),
    );
    try {
      const answer = await Promise.race([offer, condition(() => isFinal(this.state.status))]);
      if (typeof answer === 'object') this.apply({ type: 'offered', answer });
    } catch (error) {
      if (isCancellation(error)) return;
      const reason = `host ${unpushed.host}, which keeps the finished commits, could not push them: ${clip(rootCause(error) ?? String(error), 300)}`;
      this.apply({ type: 'offered', answer: { pushed: false, reason, mayPass: true } });
    } finally {
      scope.cancel();
      offer.catch((error: unknown) => log.debug('the offer of an ended bead was given up', { error }));
    }
  }

  /** The refinery is asked once to let go; its answer ends the wait. */
  #withdrawn(errand: LandingErrand): boolean {
    if (errand !== 'withdraw') return false;
    const asked = this.#withdrawAsked;
    this.#withdrawAsked = true;
    return asked;
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
      await tellConvoy(convoy, report);
      if (isFinal(this.state.status)) return;
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

  /** Signal handlers never throw and never trust their payload: a throw would wedge the workflow. */
  #listen(): void {
    const read =
      <T>(name: string, reader: (payload: unknown) => T | string, take: (value: T) => void) =>
      (payload?: unknown): void => {
        this.#signals += 1;
        const value = reader(payload);
        if (typeof value !== 'string') return take(value);
        log.warn('a message that cannot be read was dropped', { name, problem: value });
        this.apply({ type: 'malformed', message: name, problem: value });
      };
    setHandler(
      heartbeatSignal,
      read(heartbeatSignal.name, readHeartbeat, (signal) => this.apply({ type: 'heartbeat', signal })),
      { description: 'The agent of an attempt is alive, and what it does. Sent by its runner.' },
    );
    setHandler(
      acceptedSignal,
      read(acceptedSignal.name, readAccepted, (signal) => this.apply({ type: 'accepted', signal })),
      { description: 'A host has taken the attempt and prepares it. Sent by startAgent.' },
    );
    setHandler(
      noteSignal,
      read(noteSignal.name, readNote, (note) => this.apply({ type: 'note', note })),
      { description: 'The agent notes something for people and later attempts, or asks for help.' },
    );
    if (this.input.rig !== undefined) {
      setHandler(
        grantedSignal,
        read(grantedSignal.name, readGranted, (grant) => this.apply({ type: 'granted', grant })),
        { description: 'The rig grants one attempt, with its settings. Sent by the rig.' },
      );
      setHandler(
        causeGoneSignal,
        read(causeGoneSignal.name, readCauseGone, () => this.apply({ type: 'causeGone' })),
        { description: 'What had blocked this bead and others is mended. Sent by the rig.' },
      );
      setHandler(
        mergeEndedSignal,
        read(mergeEndedSignal.name, readMergeEnded, (ended) => this.apply({ type: 'mergeEnded', ended })),
        { description: 'How the merge of this bead ended. Sent by the rig.' },
      );
    }
    listenForVersion(() => (this.#signals += 1));
    setDefaultSignalHandler((name) => {
      log.warn('a signal that no bead knows was dropped', { name });
      this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
    });
    setHandler(stateQuery, (): BeadView => this.#view(), {
      description: 'The full state: status, clocks and next deadline, attempts with outcomes, branch and commit.',
    });

    const refuse = (text: string): never => {
      throw ApplicationFailure.nonRetryable(text, 'Refused');
    };
    const alive = (): void => {
      if (isFinal(this.state.status)) refuse(`the bead has ended: ${this.state.reason}`);
      if (this.state.cancelling) refuse('the bead is being cancelled');
    };
    setHandler(
      nudgeUpdate,
      (given): UpdateAnswer => {
        this.apply({
          type: 'nudge',
          message: { id: currentUpdateInfo()?.id ?? uuid4(), text: given.text, from: 'operator', at: Date.now() },
        });
        return {
          text: this.state.current?.spawnedAt === undefined ? 'kept for the next agent' : 'on its way to the agent',
        };
      },
      {
        description: 'Say something to the agent: {"text": "…"}.',
        validator: (given) => {
          alive();
          if (typeof given?.text !== 'string' || given.text.trim() === '')
            refuse('a nudge needs a text: {"text": "…"}');
          if (given.text.length > limits.textChars) refuse(`a nudge has at most ${limits.textChars} characters`);
          const nul = nulProblem(given.text, 'a nudge');
          if (nul !== undefined) refuse(nul);
          if (this.state.messages.length >= limits.messagesKept)
            refuse(`${this.state.messages.length} messages already wait for the agent`);
        },
      },
    );
    setHandler(
      retryUpdate,
      (given): UpdateAnswer => {
        this.apply({ type: 'retry', now: given?.now === true });
        // The patch: runs of before did such work anew.
        if (mayOfferAgain(this.state) && patched('a-retry-offers-verified-work')) this.apply({ type: 'offeredAgain' });
        return {
          text: this.state.current
            ? this.state.reason
            : this.state.landing?.retried === true && this.state.wait === undefined
              ? 'its rig is asked for the next attempt'
              : this.state.unpushed !== undefined
                ? `the finished commits on ${this.state.unpushed.host} are pushed first`
                : this.state.wait?.for === 'merge'
                  ? 'its verified work goes back into the merge queue'
                  : 'the next attempt starts',
        };
      },
      {
        description:
          'Try a blocked or backing-off bead again at once. {"now": true} also gives up a suspect attempt: its agent may still run on a host out of reach, frozen by its lease at the latest after orphanGrace.',
        validator: (given) => {
          alive();
          const { current, wait } = this.state;
          if (current?.suspectSince !== undefined && given?.now !== true)
            refuse(
              'the attempt is suspect and its adoption is being tried; retry with now overrides the wait, at the risk that its agent still runs on the host out of reach',
            );
          else if (current !== undefined && current.suspectSince === undefined)
            refuse(`attempt ${current.number} is under way (agent ${this.state.agent}); there is nothing to retry`);
          else if (current === undefined && !['person', 'backoff', 'grant'].includes(wait?.for ?? ''))
            refuse(`the bead is ${this.state.status}; there is nothing to retry`);
        },
      },
    );
    const underReview = (): void => {
      alive();
      if (this.state.wait?.for !== 'approval') refuse(`the bead does not wait for approval: ${this.state.reason}`);
    };
    setHandler(
      approveUpdate,
      (given): UpdateAnswer => {
        // From a form in the Web UI it may come without anything.
        const by: unknown = (given as { by?: unknown } | null | undefined)?.by;
        this.apply({ type: 'approve', by: typeof by === 'string' && by.trim() !== '' ? clip(by, 100) : 'an operator' });
        return { text: `approved at ${this.state.sha?.slice(0, 12) ?? ''}; it is in the merge queue` };
      },
      {
        description: 'Approve the work at its verified commit, so that it is merged: {"by": "…"}.',
        validator: (_given) => underReview(),
      },
    );
    setHandler(
      requestChangesUpdate,
      (given): UpdateAnswer => {
        this.apply({ type: 'requestChanges', feedback: given.feedback });
        return { text: this.state.reason };
      },
      {
        description: 'Send the work back with advice: {"feedback": "…"}.',
        validator: (given) => {
          underReview();
          if (typeof given?.feedback !== 'string' || given.feedback.trim() === '')
            refuse('a request for changes needs a feedback: {"feedback": "…"}');
          if (given.feedback.length > limits.textChars) refuse(`a feedback has at most ${limits.textChars} characters`);
          const nul = nulProblem(given.feedback, 'a feedback');
          if (nul !== undefined) refuse(nul);
        },
      },
    );
    setHandler(
      pauseUpdate,
      async (_: Nothing): Promise<UpdateAnswer> => {
        this.apply({ type: 'pause' });
        return { text: await this.#heard(true) };
      },
      {
        description: 'Freeze the agent (SIGSTOP) and all clocks; no attempt starts until resume.',
        validator: (_: Nothing) => {
          alive();
          if (this.state.paused) refuse('the bead is already paused');
        },
      },
    );
    setHandler(
      resumeUpdate,
      async (_: Nothing): Promise<UpdateAnswer> => {
        this.apply({ type: 'resume' });
        return { text: await this.#heard(false) };
      },
      {
        description: 'Let a paused bead go on.',
        validator: (_: Nothing) => {
          alive();
          if (!this.state.paused) refuse('the bead is not paused');
        },
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
    const deadline = nextDeadline(this.state);
    return { ...this.state, now: Date.now(), ...(deadline ? { deadline } : {}) };
  }
}
