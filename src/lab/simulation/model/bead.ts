/**
 * A bead of the model: the decisions of `src/domain`, carried out on a model of Temporal as `src/workflows` carries
 * them out on the real one.
 * @module
 */
import { WorkflowNotFoundError } from '@temporalio/common';
import {
  isFinal,
  phaseMayHaveAgent,
  messages as names,
  convoyMessages,
  convoyWorkflowId,
  readAccepted,
  readCauseGone,
  readGranted,
  readHeartbeat,
  readMergeEnded,
  readNote,
  readGrantRefused,
  rigMessages,
  rigWorkflowId,
  taskQueues,
} from '../../../contract/index.js';
import type {
  AttemptResult,
  BeadInput,
  BeadState,
  BeadView,
  BeatDetails,
  Deadline,
  Evidence,
  Message,
  OfferWorkResult,
  StopAttemptResult,
  VerifyWorkInput,
} from '../../../contract/index.js';
import {
  beadEffects,
  comesSooner,
  firesInVain,
  hostAnswersWithin,
  hostInput,
  initialBead,
  mayOfferAgain,
  mergeRequest,
  newlyReached,
  nextBeadDeadline,
  nudgeProblem,
  offerInput,
  outageShown,
  pauseProblem,
  readByRules,
  reportOf,
  resumeProblem,
  retryBeadProblem,
  salvageInput,
  grantRequest,
  grantReturn,
  startInput,
  stepBead,
  tellAgainAfter,
  verifyInput,
} from '../../../domain/index.js';
import type { BeadEffect, BeadEvent, RigWord } from '../../../domain/index.js';
import type { AgentLife, Status } from '../../../testing/index.js';
import { eventOfFailure } from '../../../workflows/failures.js';
import { Broken, eventProblem } from '../rules.js';
import type { ModelActivity, ActivityOptions } from './activity.js';
import type { ModelTown } from './town.js';

/** What a bead does between attempts, one after the other. */
const oneByOne: readonly string[] = ['rig', 'salvage', 'offer', 'verify'];
/** As in `workflows/activities.ts`. */
const hostHeartbeat = 120_000;

/** An update that is refused says so as the client does. */
class Refused extends Error {
  override readonly name = 'WorkflowUpdateFailedError';
}

export class ModelBead {
  /** Its state. */
  life: BeadState;
  readonly statuses: Status[] = [];
  readonly workflowId: string;
  #watch: { attempt: string; activity: ModelActivity } | undefined;
  /** The attempt whose activity scope is cancelled. */
  #cancelled: string | undefined;
  /** Keys of what is under way, or waits between two tries. */
  readonly #busy = new Set<string>();
  #disarm: () => void = () => undefined;
  #armed: Deadline | undefined;
  #due = false;
  /** When a beat or a signal of the current attempt itself was accepted last. */
  #heardAt = 0;
  #messages = 0;
  /** The last word to its convoy, as it was sent; the next one waits until it has arrived. */
  #told: string | undefined;
  #telling = false;
  /** The last one that was asked for. */
  #view: { of: BeadState; view: BeadView } | undefined;

  constructor(
    private readonly town: ModelTown,
    readonly id: string,
    input: BeadInput,
    /** Beads of this id before, which have ended. */
    private readonly before = 0,
  ) {
    this.workflowId = `bead-${id}`;
    this.life = initialBead(input, town.clock.now());
    this.apply({ type: 'tick' });
  }

  get ended(): boolean {
    return isFinal(this.life.status);
  }
  /** Its workflow has ended: nothing is left to be said to its rig and its convoy. */
  get gone(): boolean {
    return this.ended && !this.#busy.has('rig') && beadEffects(this.life).length === 0 && this.#news() === this.#told;
  }
  get agents(): readonly AgentLife[] {
    return this.town.census.of(this.id);
  }
  get maxAgentsAtOnce(): number {
    return this.town.census.maxRunning(this.id);
  }

  state(): Promise<BeadView> {
    return Promise.resolve(this.view());
  }

  view(): BeadView {
    const now = this.town.clock.now();
    const known = this.#view;
    if (known?.of === this.life && known.view.now === now) return known.view;
    const view: BeadView = { ...this.life, now, deadline: nextBeadDeadline(this.life) };
    this.#view = { of: this.life, view };
    return view;
  }

  /** The only place where the state changes; the rules are looked at after every step. */
  apply(event: BeadEvent): void {
    const before = this.life;
    const now = this.town.clock.now();
    const state = stepBead(
      before,
      readByRules(before, event, () => true),
      now,
    );
    if (before.current?.id !== state.current?.id) this.#heardAt = now;
    if (event.type === 'heartbeat' && event.signal.attempt === state.current?.id) this.#heardAt = now;
    this.life = state;
    this.town.steps += 1;
    if (before.status !== state.status || before.agent !== state.agent || this.statuses.length === 0)
      this.statuses.push({ at: now, bead: state.status, agent: state.agent });
    const broken =
      this.maxAgentsAtOnce > 1
        ? `${this.maxAgentsAtOnce} agents ran at once`
        : eventProblem({
            agents: this.agents,
            before,
            event,
            after: state,
            now,
            thereSince: this.town.thereSince,
            heardAt: this.#heardAt,
          });
    const crowd = state.rig === undefined ? undefined : this.town.crowdProblem(state.rig);
    if (broken !== undefined) this.town.broken ??= new Broken(`bead ${this.id}: ${broken}`);
    if (crowd !== undefined) this.town.broken ??= new Broken(crowd);
    const reached = newlyReached(before, state);
    if (reached !== undefined)
      this.town.send(rigWorkflowId(state.rig ?? ''), rigMessages.probeProgress, {
        bead: this.id,
        spawned: reached === 'spawned' ? true : undefined,
      });
    this.#tellConvoy();
    if (this.#due) return;
    this.#due = true;
    this.town.clock.at(now, () =>
      this.town.whenThere(() => {
        this.#due = false;
        this.#goOn();
      }),
    );
  }

  receive(name: string, payload: unknown): void {
    if (this.gone) throw new WorkflowNotFoundError('workflow execution already completed', this.workflowId, undefined);
    const read = <T>(reader: (payload: unknown) => T | string, event: (value: T) => BeadEvent): void => {
      const value = reader(payload);
      this.apply(typeof value === 'string' ? { type: 'malformed', message: name, problem: value } : event(value));
    };
    if (name === names.heartbeat) read(readHeartbeat, (signal) => ({ type: 'heartbeat', signal }));
    else if (name === names.accepted) read(readAccepted, (signal) => ({ type: 'accepted', signal }));
    else if (name === names.note) read(readNote, (note) => ({ type: 'note', note }));
    else if (name === rigMessages.granted) read(readGranted, (grant) => ({ type: 'granted', grant }));
    else if (name === rigMessages.grantRefused)
      read(readGrantRefused, (refused) => ({ type: 'grantRefused', refused }));
    else if (name === rigMessages.causeGone) read(readCauseGone, ({ ordered }) => ({ type: 'causeGone', ordered }));
    else if (name === rigMessages.mergeEnded) read(readMergeEnded, (ended) => ({ type: 'mergeEnded', ended }));
    else this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
  }

  #news(): string | undefined {
    const report = reportOf(this.life);
    return report && JSON.stringify(report);
  }

  /** The convoy hears of each change that matters to it, in order, the end included. */
  #tellConvoy(): void {
    const news = this.#news();
    if (this.#telling || news === undefined || news === this.#told) return;
    this.#telling = true;
    this.town.send(convoyWorkflowId(this.life.convoy ?? ''), convoyMessages.beadReport, reportOf(this.life), () => {
      this.#telling = false;
      this.#told = news;
      this.#tellConvoy();
    });
  }

  // ---- what an operator does

  cancel(): Promise<void> {
    if (!this.ended && !this.town.serverAway) this.apply({ type: 'cancel' });
    return this.town.settle();
  }
  signal(name: string, payload: unknown): Promise<void> {
    if (!this.town.serverAway) this.receive(name, payload);
    return this.town.settle();
  }
  nudge(text: string): Promise<string> {
    const message: Message = { id: `n${(this.#messages += 1)}`, text, from: 'operator', at: this.town.clock.now() };
    return this.#update(nudgeProblem(this.life, text), { type: 'nudge', message });
  }
  pause(): Promise<string> {
    return this.#update(pauseProblem(this.life), { type: 'pause' });
  }
  resume(): Promise<string> {
    return this.#update(resumeProblem(this.life), { type: 'resume' });
  }
  async retry(): Promise<string> {
    const answer = await this.#update(retryBeadProblem(this.life, false), { type: 'retry', now: false }, () => {
      if (mayOfferAgain(this.life)) this.apply({ type: 'offeredAgain' });
    });
    return answer;
  }
  async #update(problem: string | undefined, event: BeadEvent, then: () => void = () => undefined): Promise<string> {
    if (problem !== undefined || this.town.serverAway) throw new Refused(problem ?? 'the server is away');
    this.apply(event);
    then();
    await this.town.settle();
    return '';
  }

  // ---- what the workflow does

  /** One workflow task: whatever the state asks for is begun, unless it is under way. */
  #goOn(): void {
    const { current } = this.life;
    if (this.#watch !== undefined && this.#watch.attempt !== current?.id) {
      this.#watch.activity.cancel();
      this.#watch = undefined;
    }
    this.#arm();
    // Each may change the state, and with it what it asks for.
    const begun = new Set<string>();
    for (;;) {
      const effect = beadEffects(this.life).find(({ key }) => !this.#busy.has(key) && !begun.has(key));
      if (effect === undefined || this.#between(effect)) return;
      begun.add(effect.key);
      this.#busy.add(effect.key);
      this.#carryOut(effect);
    }
  }

  /** Between attempts one thing is done after the other; only the end of the bead breaks off a look or an offer. */
  #between({ key }: BeadEffect): boolean {
    return (
      this.life.current === undefined && !this.ended && oneByOne.some((other) => other !== key && this.#busy.has(other))
    );
  }

  #carryOut(effect: BeadEffect): void {
    const { key } = effect;
    const state = this.life;
    switch (effect.do) {
      case 'start':
        return this.#start(effect);
      case 'stop':
        return this.#stop(effect);
      case 'tellPause': {
        const { host, paused } = effect;
        return this.#ask(key, host, 'pauseAttempt', { paused }, (_, attempt) => ({
          type: 'pauseTold',
          attempt,
          paused,
        }));
      }
      case 'deliver': {
        const { host, message } = effect;
        return this.#ask(key, host, 'deliverMessage', { message }, (_, attempt) => ({
          type: 'delivered',
          attempt,
          messages: [message.id],
        }));
      }
      case 'salvage':
        return this.#readRemote(key, salvageInput(state, effect.salvage), 3, (evidence) => ({
          type: 'salvaged',
          evidence,
        }));
      case 'verify':
        return this.#readRemote(key, verifyInput(state), Infinity, (evidence) =>
          evidence ? { type: 'evidence', evidence } : undefined,
        );
      case 'offer':
        return this.#offer(key, effect.unpushed);
      case 'tellRig':
        return this.#tellRig(key, effect.word);
      case 'dispatch':
        this.#busy.delete(key);
        return this.apply({ type: 'dispatched', attempt: `${state.attemptCount + 1}-${this.#name()}` });
      default:
        return effect satisfies never;
    }
  }

  /** Part of the ids of its attempts, which are no other bead's, and none of a bead of its id before. */
  #name(): string {
    const run = this.before === 0 ? '' : `r${this.before}`;
    return `${this.id.replaceAll('-', '')}${run}`.padEnd(8, '0');
  }

  /** Says one word to the rig; what it means for the bead holds before the answer may come. */
  #tellRig(key: string, word: RigWord): void {
    const state = this.life;
    const tell = (name: string, payload: object): void =>
      this.town.send(rigWorkflowId(state.rig ?? ''), name, payload, (delivered) => {
        this.#busy.delete(key);
        this.apply(delivered ? { type: 'tick' } : { type: 'rigGone', text: `rig ${state.rig ?? ''} does not exist` });
      });
    switch (word) {
      case 'askGrant':
        this.apply({ type: 'askedGrant' });
        return tell(rigMessages.askGrant, grantRequest(state, this.workflowId));
      case 'returnGrant':
        this.apply({ type: 'grantReturned' });
        return tell(rigMessages.returnGrant, grantReturn(state));
      case 'enqueue': {
        const request = mergeRequest(state, this.workflowId);
        this.apply({ type: 'enqueued', sha: request.sha });
        return tell(rigMessages.enqueueMerge, request);
      }
      case 'withdraw':
        this.apply({ type: 'withdrawTold' });
        return tell(rigMessages.withdrawMerge, { item: state.bead, sha: state.landing?.queuedSha ?? '' });
      default:
        return word satisfies never;
    }
  }

  #start({ key, attempt, adoptOn }: Extract<BeadEffect, { do: 'start' }>): void {
    if (this.#cancelled === attempt.id) {
      this.#busy.delete(key);
      return this.apply({ type: 'unwatched', attempt: attempt.id, text: 'the attempt is being stopped' });
    }
    const adopt = adoptOn !== undefined;
    if (adopt) this.apply({ type: 'adopting', attempt: attempt.id });
    const input = startInput(this.life, attempt, adopt ? 'adopt' : 'start', '');
    if (input.messages.length > 0)
      this.apply({ type: 'delivered', attempt: attempt.id, messages: input.messages.map(({ id }) => id) });
    const { heartbeatTimeout, adoptWithin } = this.life.clocks;
    const activity = this.town.schedule(
      {
        type: 'startAgent',
        input,
        onBeat: (details) => {
          const { attempt: of, phase } = details as BeatDetails;
          if (of === this.life.current?.id && phaseMayHaveAgent(phase)) this.#heardAt = this.town.clock.now();
        },
        queue: adopt ? taskQueues.host(adoptOn, this.town.queue) : taskQueues.agents(this.town.queue),
        heartbeatTimeout,
        scheduleToStart: adopt ? adoptWithin : undefined,
      },
      (end) => {
        if (this.#watch?.activity === activity) this.#watch = undefined;
        this.#busy.delete(key);
        if (this.ended) return;
        const { current } = this.life;
        const event: BeadEvent =
          'result' in end
            ? { type: 'ended', result: { ...(end.result as AttemptResult), attempt: attempt.id } }
            : eventOfFailure(end.failure, attempt.id, current?.host, current?.stopping !== undefined);
        // An adoption that fails at once again (a host in trouble) must not spin.
        if (event.type === 'unwatched') this.#rest(key);
        this.apply(event.type === 'silent' && event.details === undefined ? { ...event, unheard: true } : event);
      },
    );
    this.#watch = { attempt: attempt.id, activity };
  }

  /**
   * The lazy timer: sleeps until the deadline as it stood; armed anew for a sooner one, or when it would fire in vain.
   */
  #arm(): void {
    // As the keeper does before it arms its timer: what is due already is looked at now, and is no sign of an outage.
    if ((nextBeadDeadline(this.life)?.at ?? Infinity) < Math.min(this.#armed?.at ?? Infinity, this.town.clock.now()))
      this.apply({ type: 'tick' });
    const { current } = this.life;
    const next = nextBeadDeadline(this.life);
    const armed = this.#armed;
    if (next === undefined) {
      // While an attempt is kept the timer fires, and the clock is looked at.
      if (current !== undefined) return;
      this.#disarm();
      this.#armed = undefined;
    } else if (armed === undefined || comesSooner(this.life, armed) || firesInVain(this.life, armed)) {
      this.#disarm();
      this.#armed = next;
      this.#disarm = this.town.clock.at(next.at, () =>
        this.town.whenThere(() => {
          if (this.#armed !== next || this.ended) return;
          this.#armed = undefined;
          const ms = outageShown(this.life, next, this.town.clock.now());
          if (ms !== undefined) this.apply({ type: 'outage', ms });
          this.apply({ type: 'tick' });
        }),
      );
    }
  }

  #done(key: string): void {
    this.#busy.delete(key);
    this.apply({ type: 'tick' });
  }

  /** Keeps an effect from being begun again for a while. */
  #rest(key: string): void {
    this.#busy.add(key);
    this.town.clock.after(tellAgainAfter, () =>
      this.town.whenThere(() => {
        this.#busy.delete(key);
        if (!this.ended) this.apply({ type: 'tick' });
      }),
    );
  }

  /** Asks the host of the attempt, again and again until it has answered. */
  #ask(
    key: string,
    host: string,
    type: string,
    more: object,
    event: (answer: unknown, attempt: string) => BeadEvent | undefined,
    failed: (attempt: string) => void = () => undefined,
  ): void {
    const attempt = this.life.current?.id ?? '';
    const options: ActivityOptions = {
      type,
      input: { ...hostInput(this.life, attempt), ...more },
      queue: taskQueues.host(host, this.town.queue),
      scheduleToStart: hostAnswersWithin,
      heartbeatTimeout: hostHeartbeat,
    };
    const over = (): boolean => this.ended || this.life.current?.id !== attempt;
    this.town.schedule(options, (end) => {
      if (over()) return void this.#busy.delete(key);
      const told = 'result' in end ? event(end.result, attempt) : undefined;
      if (told !== undefined) this.apply(told);
      else failed(attempt);
      if (over()) this.#busy.delete(key);
      else if (told === undefined) this.#rest(key);
      else this.#done(key);
    });
  }

  #stop({ key, host, outcome, reason }: Extract<BeadEffect, { do: 'stop' }>): void {
    this.#cancelled = this.life.current?.id;
    this.#watch?.activity.cancel();
    // It is asked for again once a host has it.
    if (host === undefined) return void this.#busy.delete(key);
    this.#ask(
      key,
      host,
      'stopAttempt',
      { outcome, reason },
      (answer, attempt) => {
        const { confirmed, result } = answer as StopAttemptResult;
        return confirmed ? { type: 'ended', result: { ...(result ?? { outcome, reason, host }), attempt } } : undefined;
      },
      (attempt) => this.apply({ type: 'unreachable', attempt, text: `host ${host} did not take up the order to stop` }),
    );
  }

  /** Finished commits that the remote did not take are offered again by their host. */
  #offer(key: string, unpushed: NonNullable<BeadState['unpushed']>): void {
    const { adoptWithin } = this.life.clocks;
    const options: ActivityOptions = {
      type: 'offerWork',
      input: offerInput(this.life, unpushed),
      queue: taskQueues.host(unpushed.host, this.town.queue),
      scheduleToStart: adoptWithin,
      heartbeatTimeout: hostHeartbeat,
    };
    this.town.schedule(options, (end) => {
      this.#busy.delete(key);
      if (this.ended) return;
      const answer: OfferWorkResult =
        'result' in end
          ? (end.result as OfferWorkResult)
          : { pushed: false, reason: `host ${unpushed.host} could not push them`, mayPass: true };
      this.apply({ type: 'offered', answer });
    });
  }

  /** Reads the remote, again and again while it is away, with growing distance. */
  #readRemote(
    key: string,
    input: VerifyWorkInput,
    tries: number,
    event: (evidence: Evidence | undefined) => BeadEvent | undefined,
  ): void {
    const read = (nth: number): unknown =>
      this.town.whenThere(() => {
        if (this.ended) return void this.#busy.delete(key);
        if (this.town.remote.away && nth < tries)
          return void this.town.clock.after(Math.min(1_000 * 2 ** nth, 60_000), () => read(nth + 1));
        const evidence = this.town.remote.away ? undefined : this.town.remote.verify(input);
        this.#busy.delete(key);
        const told = event(evidence);
        if (told !== undefined) this.apply(told);
      });
    this.town.clock.after(100, () => read(1));
  }
}
