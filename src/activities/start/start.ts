import { CompleteAsyncError } from '@temporalio/activity';
import { setTimeout as sleep } from 'node:timers/promises';
import { failureTypes } from '../../contract/index.js';
import type { AttemptResult, StartAgentInput } from '../../contract/index.js';
import { errorMessage } from '../../edge/errors.js';
import { bothSettled } from '../../git/index.js';
import type { AgentPlace, GiveWay } from '../../host/index.js';
import {
  bootRunner,
  endLeftovers,
  inspectAttempt,
  mayHaveAgent,
  processStartTime,
  RunnerControl,
  RunnerGoneError,
  RunnerRefusedError,
} from '../../runner/index.js';
import type { AttemptDir, BeginOutcome, BootedRunner, ProcessIdentity } from '../../runner/index.js';
import type { ActivityDeps } from '../deps.js';
import { failure } from '../failures.js';
import { removeUnusedWorkspace } from '../workspace.js';
import { announceAttempt } from './announce-attempt.js';
import { beginRunner, meetAtFence } from './begin-runner.js';
import type { BeginOptions } from './begin-runner.js';
import type { Hold, Preparations } from './preparations.js';
import { StartInterrupted } from './start-lease.js';
import type { StartLease } from './start-lease.js';

/**
 * What a look found has changed by the time it was acted on; so often the look is repeated before the call gives up.
 */
const looks = 20;
const lookAgainAfter = 500;
/** So many runners of one call may answer nobody: a second one says that this host cannot start any. */
const mostMute = 2;

/**
 * One `startAgent` call whose bead is being told: finds out where the attempt stands on this host and takes the one
 * step that fits.
 */
export class Start {
  readonly #dir: AttemptDir;

  constructor(
    private readonly deps: ActivityDeps,
    private readonly preparations: Preparations,
    private readonly input: StartAgentInput,
    private readonly lease: StartLease,
    /** Settles when the bead has answered who has its attempt. Rejects with why this host is not to start it. */
    private readonly heard: Promise<void>,
  ) {
    this.#dir = deps.host.attemptDir(input);
  }

  /**
   * @returns the result of an attempt that has ended.
   * @throws CompleteAsyncError when a runner has the task token now. ApplicationFailure when there will be none.
   * StartInterrupted.
   */
  async run(): Promise<AttemptResult> {
    const { turns } = this.deps.host;
    let turn = turns.tryTake(this.#dir);
    if (turn === undefined) {
      this.lease.say('accepted', 'waits for another call that works on the same attempt');
      // Only a token that the server still counts on outranks whoever is at work.
      await this.lease.confirm();
      turn = await turns.take(this.#dir, { giveWay: { why: 'superseded' }, signal: this.lease.signal });
    }
    const { giveWay } = turn;
    const yielded = (): void => this.lease.interrupt(giveWay.reason as GiveWay);
    giveWay.addEventListener('abort', yielded, { once: true });
    if (giveWay.aborted) yielded();
    try {
      return await this.#take();
    } finally {
      giveWay.removeEventListener('abort', yielded);
      turn.end();
    }
  }

  async #take(): Promise<AttemptResult> {
    for (let look = 0; look < looks; look++) {
      this.lease.signal.throwIfAborted();
      if (look > 0)
        await sleep(lookAgainAfter, undefined, { signal: this.lease.signal }).catch(() =>
          this.lease.signal.throwIfAborted(),
        );
      const found = await inspectAttempt(this.#dir);
      // Beside this only a new attempt's preparation goes on.
      if (found.kind !== 'unstarted') await this.heard;
      switch (found.kind) {
        case 'ended':
          return found.result;
        case 'running': {
          if (!mayHaveAgent(found.record.state) && !(await this.#isLiving(found.record))) break;
          const result = await this.#handOver();
          if (result !== undefined) return result;
          break;
        }
        case 'dead':
          this.lease.say('accepted', 'the runner is dead: its agent is ended and its work saved');
          return this.deps.host.reap(this.#dir, 'its runner died without a word (killed, or crashed)');
        case 'missing':
          if (this.input.mode === 'adopt')
            throw failure(
              failureTypes.noSuchAttempt,
              `host ${this.deps.host.hostId} knows nothing of attempt ${this.input.attempt}`,
            );
          if (await this.#startRunner()) throw new CompleteAsyncError();
          break;
        case 'unstarted':
          if (await this.#startRunner()) throw new CompleteAsyncError();
          break;
        case 'elsewhere':
          // The bead tries again, and gives up after the runner's lease is over at the earliest.
          throw failure(
            failureTypes.runnerRefused,
            `attempt ${this.input.attempt} had its runner on ${found.machine}, which shares the state ` +
              `directory of ${this.deps.host.hostId}: it may live until ${new Date(found.until).toISOString()}`,
          );
        case 'damaged':
          throw await this.#damaged(found.problem, found.mayLive);
        default:
          found satisfies never;
      }
    }
    throw failure(
      failureTypes.runnerRefused,
      `attempt ${this.input.attempt} could not be taken up on ${this.deps.host.hostId}: its runner neither ` +
        'answers nor ends',
    );
  }

  /** No process of it is left then, and the next attempt goes on; a person may look at what lies here. */
  async #damaged(problem: string, mayLive: boolean): Promise<Error> {
    const { host } = this.deps;
    if (mayLive)
      return failure(
        failureTypes.runnerRefused,
        `attempt ${this.input.attempt} cannot be looked at on ${host.hostId}: ${problem}`,
      );
    await endLeftovers(this.#dir);
    host.free(this.#dir);
    return failure(
      this.input.mode === 'adopt' ? failureTypes.noSuchAttempt : failureTypes.setupUnreachable,
      `nobody can go on with attempt ${this.input.attempt} on ${host.hostId}: ${problem}`,
    );
  }

  /** @returns whether a runner that this call meets at its fence can be spoken to; false: look again. */
  async #isLiving(runner: ProcessIdentity): Promise<boolean> {
    if ((await meetAtFence(this.#dir, runner, this.#patience)) === 'living') return true;
    // Its place is free.
    this.deps.host.runners.forget(this.#dir, false);
    this.deps.host.places.wake();
    return false;
  }

  get #patience(): BeginOptions {
    const { input, lease, deps } = this;
    const warn = (what: string, details: object): void =>
      deps.host.logger.warn({ bead: input.bead, attempt: input.attempt, ...details }, what);
    return { clocks: input.clocks, signal: lease.signal, warn };
  }

  /**
   * Gives the living runner the new token.
   * @returns the result when the attempt has ended; undefined when it has to be looked at again.
   */
  async #handOver(): Promise<AttemptResult | undefined> {
    // A token that is void already would turn a watched runner into an orphan.
    await this.lease.confirm();
    this.lease.quiet();
    try {
      const answer = await new RunnerControl(this.#dir).adopt(this.lease.token, this.deps.connection());
      if (!answer.adopted) return answer.result;
    } catch (error) {
      this.lease.resume();
      if (error instanceof RunnerGoneError) return undefined;
      this.deps.host.logger.warn(
        { attempt: this.input.attempt, problem: errorMessage(error) },
        'the runner did not take the new task token',
      );
      // Whether a runner that did not answer in time has taken it, nobody knows: its lease may be renewed by it.
      if (!(error instanceof RunnerRefusedError))
        this.lease.say('running', 'the runner has not answered the adoption yet');
      return undefined;
    }
    throw new CompleteAsyncError();
  }

  /** @returns whether the runner is past the fence and has the token; false: look again. */
  async #startRunner(): Promise<boolean> {
    const place = await this.#enter();
    let handedOver = false;
    let runner: BootedRunner | undefined;
    try {
      // The bead counts down to give up a suspect attempt: it hears that the start goes on, which no agent can tell it
      // yet.
      if (this.input.mode === 'adopt') await announceAttempt(this.deps, this.input, this.lease);
      await this.#dir.create();
      // One that waits, or else one that loads while git works; otherwise that load would be half of a warm start.
      const connection = this.deps.connection();
      runner = this.deps.spare?.boot(this.#dir, connection) ?? bootRunner(this.#dir, connection);
      await this.#prepare();
      for (let nth = 1; ; nth++) {
        this.lease.say('fencing', nth === 1 ? 'the runner goes to the fence' : 'another runner goes to the fence');
        const written = bothSettled(
          this.#dir.writeToken(this.lease.token),
          this.#dir.writeConnection(this.deps.connection()),
        );
        await bothSettled(written, this.lease.confirm());
        // From here on the fence decides, and whatever comes reaches the runner by its own beats.
        this.lease.quiet();
        handedOver = true;
        const outcome = await beginRunner(runner, this.#dir, this.#patience);
        if (outcome.fenced !== false || outcome.because !== 'mute') return await this.#past(outcome);
        // No runner is left, and this call has the word again.
        handedOver = false;
        this.lease.resume();
        this.lease.signal.throwIfAborted();
        if (nth === mostMute) return await this.#past(outcome);
        runner = bootRunner(this.#dir, connection);
      }
    } catch (error) {
      runner?.dismiss();
      if (!handedOver && !isGoingOn(error)) await this.#discard();
      throw error;
    } finally {
      // Not before the runner counts as living: otherwise there would be a place too many for a moment.
      this.deps.host.places.leave(place);
    }
  }

  /**
   * Takes a place for an agent. A task from the agents queue finds one, since it was not asked for without; an
   * interrupted start may have to wait.
   */
  async #enter(): Promise<AgentPlace> {
    const { host, agentsQueue } = this.deps;
    const longEnough = AbortSignal.timeout(this.input.clocks.adoptWithin);
    this.lease.say('accepted', 'waits for a free place for an agent on this host');
    try {
      return await host.places.enter(
        this.lease.taskQueue === agentsQueue,
        AbortSignal.any([this.lease.signal, longEnough]),
      );
    } catch (error) {
      if (this.lease.signal.aborted || error !== longEnough.reason) throw error;
      // Places that were taken while this worker was away may stay taken for hours, and other hosts may be free.
      await this.#discard();
      throw failure(
        failureTypes.setupUnreachable,
        `attempt ${this.input.attempt} found no free place on ${host.hostId}: another start that had been ` +
          'interrupted went first',
      );
    }
  }

  async #prepare(): Promise<void> {
    // It may bring newer messages than the preparation has kept that it joins; one that it begins keeps them itself.
    if (this.input.mode === 'adopt' && this.preparations.isRunning(this.#dir)) await this.#dir.writeInput(this.input);
    const hold = await this.preparations.join(this.input, this.#dir, (phase, text) => this.lease.say(phase, text));
    try {
      // What the bead says of the attempt outranks what its preparation finds.
      await orInterrupted(this.heard, this.lease.signal).catch(async (refusal: unknown) => {
        if (!(refusal instanceof StartInterrupted)) await hold.abandon('unwanted');
        throw refusal;
      });
      const { checkpointLost } = await orInterrupted(hold.ready, this.lease.signal);
      if (checkpointLost !== undefined) await this.#beginAtBase(checkpointLost);
    } catch (error) {
      if (error instanceof StartInterrupted) await this.#letGo(error, hold);
      throw error;
    }
  }

  /** The agent is told, so that it does not look for what is not there. */
  async #beginAtBase(why: string): Promise<void> {
    const { checkpoint, ...input } = this.input;
    this.deps.host.logger.warn(
      { attempt: input.attempt, checkpoint, why },
      'the saved work of an earlier attempt cannot be gone on from; this one begins at the base',
    );
    await this.#dir.writeInput({
      ...input,
      notes: [...input.notes, `this attempt begins at the base branch, not at the work of an earlier one: ${why}`],
    });
  }

  async #letGo({ interruption }: StartInterrupted, hold: Hold): Promise<void> {
    switch (interruption.why) {
      case 'cancelled':
      case 'stopped':
        return hold.abandon('unwanted');
      case 'shutdown':
        return hold.abandon('shutdown');
      case 'superseded':
      case 'gone':
        return hold.letGo();
    }
  }

  /**
   * No runner got past the fence. A rest that cannot be removed now is swept later; the reason of the end must not get
   * lost over it.
   */
  async #discard(): Promise<void> {
    const { host } = this.deps;
    await removeUnusedWorkspace(host, this.#dir, this.input.repo).catch((left: unknown) =>
      host.logger.warn(
        { err: left, attempt: this.input.attempt },
        'the rest of an attempt that never started could not be removed',
      ),
    );
  }

  async #past(outcome: BeginOutcome): Promise<boolean> {
    const { host } = this.deps;
    if (outcome.fenced !== false) {
      // Without a start time the process is gone already: counted all the same, so that the host watch settles it.
      host.runners.add(this.#dir, { pid: outcome.pid, startTime: processStartTime(outcome.pid) ?? 'gone' });
      return true;
    }
    host.logger.warn(
      { attempt: this.input.attempt, because: outcome.because, refused: outcome.refused },
      'the runner ended before its agent',
    );
    switch (outcome.because) {
      case 'held':
      case 'ended':
        this.lease.resume();
        return false;
      case 'cancelled':
        await this.#discard();
        throw new StartInterrupted({ why: 'cancelled' });
      case 'bead':
        await this.#discard();
        throw failure(failureTypes.runnerRefused, `attempt ${this.input.attempt} was not started: ${outcome.refused}`);
      case 'failed':
        // It may have died right behind its spawn.
        if ((await inspectAttempt(this.#dir)).kind === 'dead') {
          this.lease.resume();
          return false;
        }
        await this.#discard();
        throw failure(
          failureTypes.setupUnreachable,
          `the runner could not be started on ${host.hostId}: ${outcome.refused}`,
        );
      // The call was not handed over: what was prepared goes with its failure.
      case 'mute':
        throw failure(
          failureTypes.setupUnreachable,
          `no runner could be started on ${host.hostId}, ${mostMute} in a row stood still: ${outcome.refused}`,
        );
      // Somebody may adopt it: everything stays where it is.
      case 'token':
      case 'unreachable':
        throw failure(failureTypes.runnerRefused, `attempt ${this.input.attempt} was not started: ${outcome.refused}`, {
          fence: outcome.because,
        });
    }
  }
}

/** Whether somebody else may go on with what was prepared. */
function isGoingOn(error: unknown): boolean {
  if (!(error instanceof StartInterrupted)) return false;
  switch (error.interruption.why) {
    case 'cancelled':
    case 'stopped':
      return false;
    case 'superseded':
    case 'gone':
    case 'shutdown':
      return true;
  }
}

async function orInterrupted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => undefined;
  const interrupted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, interrupted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
