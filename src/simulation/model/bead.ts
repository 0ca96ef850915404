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
  readAccepted,
  readHeartbeat,
  readNote,
  taskQueues,
} from '../../contract/index.js';
import type {
  AttemptResult,
  BeadInput,
  BeadState,
  BeadView,
  BeatDetails,
  CurrentAttempt,
  Evidence,
  Message,
  StartAgentInput,
  StopAttemptResult,
} from '../../contract/index.js';
import { initialState, nextDeadline, readByRules, step } from '../../domain/index.js';
import type { BeadEvent } from '../../domain/index.js';
import type { AgentLife, Status } from '../../testing/index.js';
import { eventOfFailure } from '../../workflows/failures.js';
import { Broken, eventProblem } from '../rules.js';
import type { ModelActivity, ActivityOptions } from './activity.js';
import type { ModelTown } from './town.js';

/** As in `workflows/keeper.ts`. */
const hostAnswersWithin = 30_000;
const tellAgainAfter = 10_000;
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
  /** Attempts whose activity scope is cancelled, and those that wait between two tries. */
  #cancelled: string | undefined;
  readonly #busy = new Set<string>();
  #disarm: () => void = () => undefined;
  #armedFor: number | undefined;
  #due = false;
  /** When a beat or a signal of the current attempt itself was accepted last. */
  #heardAt = 0;
  #messages = 0;

  constructor(
    private readonly town: ModelTown,
    readonly id: string,
    input: BeadInput,
  ) {
    this.workflowId = `bead-${id}`;
    this.life = initialState(input, town.clock.now());
    this.apply({ type: 'tick' });
  }

  get ended(): boolean {
    return isFinal(this.life.status);
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
    const deadline = nextDeadline(this.life);
    return { ...this.life, now: this.town.clock.now(), ...(deadline === undefined ? {} : { deadline }) };
  }

  /** The only place where the state changes; the rules are looked at after every step. */
  apply(event: BeadEvent): void {
    const before = this.life;
    const now = this.town.clock.now();
    const state = step(
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
    if (broken !== undefined) this.town.broken ??= new Broken(`bead ${this.id}: ${broken}`);
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
    if (this.ended) throw new WorkflowNotFoundError('workflow execution already completed', this.workflowId, undefined);
    const read = <T>(reader: (payload: unknown) => T | string, event: (value: T) => BeadEvent): void => {
      const value = reader(payload);
      this.apply(typeof value === 'string' ? { type: 'malformed', message: name, problem: value } : event(value));
    };
    if (name === names.heartbeat) read(readHeartbeat, (signal) => ({ type: 'heartbeat', signal }));
    else if (name === names.accepted) read(readAccepted, (signal) => ({ type: 'accepted', signal }));
    else if (name === names.note) read(readNote, (note) => ({ type: 'note', note }));
    else this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
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
    return this.#update(!this.ended && !this.life.cancelling, { type: 'nudge', message });
  }
  pause(): Promise<string> {
    return this.#update(!this.ended && !this.life.cancelling && !this.life.paused, { type: 'pause' });
  }
  resume(): Promise<string> {
    return this.#update(!this.ended && !this.life.cancelling && this.life.paused, { type: 'resume' });
  }
  retry(): Promise<string> {
    const { current, wait, cancelling } = this.life;
    return this.#update(
      !this.ended && !cancelling && current === undefined && (wait?.for === 'person' || wait?.for === 'backoff'),
      { type: 'retry', now: false },
    );
  }
  async #update(allowed: boolean, event: BeadEvent): Promise<string> {
    if (!allowed || this.town.serverAway) throw new Refused('it makes no sense now');
    this.apply(event);
    await this.town.settle();
    return '';
  }

  // ---- what the workflow does

  /** One workflow task: whatever the state asks for is begun, unless it is under way. */
  #goOn(): void {
    const state = this.life;
    const { current } = state;
    if (this.#watch !== undefined && this.#watch.attempt !== current?.id) {
      this.#watch.activity.cancel();
      this.#watch = undefined;
    }
    this.#arm();
    if (isFinal(state.status)) return;
    if (current !== undefined) return this.#keep(current);
    if (state.salvage !== undefined)
      return this.#errand('salvage', () =>
        this.#look(state, state.salvage?.attempt ?? '', state.salvage?.branch ?? '', 3, (evidence) => ({
          type: 'salvaged',
          evidence,
        })),
      );
    if (state.wait?.for === 'verification')
      return this.#errand('verify', () =>
        this.#look(state, state.attempts.at(-1)?.id ?? '', state.branch ?? '', Infinity, (evidence) =>
          evidence ? { type: 'evidence', evidence } : undefined,
        ),
      );
    if (!state.paused && !state.cancelling && state.wait === undefined)
      this.apply({ type: 'dispatched', attempt: `${state.attemptCount + 1}-${this.id.padEnd(8, '0')}` });
  }

  #keep(attempt: CurrentAttempt): void {
    const state = this.life;
    if (attempt.stopping !== undefined) {
      this.#cancelled = attempt.id;
      this.#watch?.activity.cancel();
      if (attempt.host !== undefined) this.#errand(`stop ${attempt.id}`, () => this.#stop(attempt));
    }
    const next = this.life.current;
    if (next?.id !== attempt.id) return;
    if (this.#watch === undefined && !this.#busy.has(`between ${attempt.id}`)) this.#start(next);
    if (
      next.spawnedAt === undefined ||
      next.suspectSince !== undefined ||
      next.stopping !== undefined ||
      next.host === undefined
    )
      return;
    const { host } = next;
    if (next.pauseTold !== state.paused) {
      const { paused } = state;
      this.#errand(`pause ${attempt.id}`, () =>
        this.#ask(host, 'pauseAttempt', { attempt: attempt.id, paused }, (ok) =>
          ok ? { type: 'pauseTold', attempt: attempt.id, paused } : undefined,
        ),
      );
    }
    const message = state.messages.find(({ deliveredTo }) => deliveredTo !== attempt.id);
    if (message !== undefined) {
      this.#errand(`deliver ${attempt.id}`, () =>
        this.#ask(host, 'deliverMessage', { attempt: attempt.id, message }, (ok) =>
          ok ? { type: 'delivered', attempt: attempt.id, messages: [message.id] } : undefined,
        ),
      );
    }
  }

  #start(attempt: CurrentAttempt): void {
    // Nothing is to be adopted any more: the stop asks the host, and the clock gives up.
    if (attempt.stopping !== undefined && attempt.adopting) return;
    if (this.#cancelled === attempt.id)
      return this.apply({ type: 'unwatched', attempt: attempt.id, text: 'the attempt is being stopped' });
    const adopt = attempt.adopting && attempt.host !== undefined;
    if (adopt) this.apply({ type: 'adopting', attempt: attempt.id });
    const state = this.life;
    const input: StartAgentInput = {
      bead: state.bead,
      attempt: attempt.id,
      number: attempt.number,
      mode: adopt ? 'adopt' : 'start',
      title: state.title,
      body: '',
      repo: state.repo,
      checkpoint: attempt.checkpoint,
      agent: state.agentSpec,
      clocks: state.clocks,
      notes: state.notes,
      messages: state.messages.map(({ deliveredTo: _, ...message }) => message),
    };
    if (input.messages.length > 0)
      this.apply({ type: 'delivered', attempt: attempt.id, messages: input.messages.map(({ id }) => id) });
    const { heartbeatTimeout, adoptWithin } = state.clocks;
    const activity = this.town.schedule(
      {
        type: 'startAgent',
        input,
        onBeat: (details) => {
          const { attempt: of, phase } = details as BeatDetails;
          if (of === this.life.current?.id && phaseMayHaveAgent(phase)) this.#heardAt = this.town.clock.now();
        },
        queue:
          adopt && attempt.host !== undefined
            ? taskQueues.host(attempt.host, this.town.queue)
            : taskQueues.agents(this.town.queue),
        heartbeatTimeout,
        ...(adopt ? { scheduleToStart: adoptWithin } : {}),
      },
      (end) => {
        if (this.#watch?.activity === activity) this.#watch = undefined;
        if (this.ended) return;
        const { current } = this.life;
        const event: BeadEvent =
          'result' in end
            ? { type: 'ended', result: { ...(end.result as AttemptResult), attempt: attempt.id } }
            : eventOfFailure(end.failure, attempt.id, current?.host, current?.stopping !== undefined);
        // An adoption that fails at once again (a host in trouble) must not spin.
        if (event.type === 'unwatched') this.#rest(`between ${attempt.id}`);
        this.apply(event.type === 'silent' && event.details === undefined ? { ...event, unheard: true } : event);
      },
    );
    this.#watch = { attempt: attempt.id, activity };
  }

  /** The lazy timer: sleeps until the deadline as it stood; armed again only for a sooner one. */
  #arm(): void {
    const at = isFinal(this.life.status) ? undefined : nextDeadline(this.life)?.at;
    if (at === undefined) {
      this.#disarm();
      this.#armedFor = undefined;
    } else if (this.#armedFor === undefined || at < this.#armedFor) {
      this.#disarm();
      this.#armedFor = at;
      this.#disarm = this.town.clock.at(at, () =>
        this.town.whenThere(() => {
          if (this.#armedFor !== at || this.ended) return;
          this.#armedFor = undefined;
          const late = this.town.clock.now() - at;
          if (late > this.life.clocks.heartbeatTimeout) this.apply({ type: 'outage', ms: late });
          this.apply({ type: 'tick' });
        }),
      );
    }
  }

  /** Begins an errand unless it is under way. */
  #errand(key: string, begin: () => void): void {
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    begin();
  }

  #done(key: string): void {
    this.#busy.delete(key);
    this.apply({ type: 'tick' });
  }

  /** Keeps an errand from being begun again for a while. */
  #rest(key: string): void {
    this.#busy.add(key);
    this.town.clock.after(tellAgainAfter, () =>
      this.town.whenThere(() => {
        this.#busy.delete(key);
        if (!this.ended) this.apply({ type: 'tick' });
      }),
    );
  }

  #ask(
    host: string,
    type: string,
    more: object,
    event: (ok: unknown) => BeadEvent | undefined,
    failed: () => void = () => undefined,
  ): void {
    const { attempt } = more as { attempt: string };
    const key = `${type === 'pauseAttempt' ? 'pause' : type === 'stopAttempt' ? 'stop' : 'deliver'} ${attempt}`;
    const options: ActivityOptions = {
      type,
      input: { bead: this.id, repo: this.life.repo, ...more },
      queue: taskQueues.host(host, this.town.queue),
      scheduleToStart: hostAnswersWithin,
      heartbeatTimeout: hostHeartbeat,
    };
    this.town.schedule(options, (end) => {
      if (this.ended || this.life.current?.id !== attempt) return void this.#busy.delete(key);
      const told = 'result' in end ? event(end.result ?? true) : undefined;
      if (told !== undefined) this.apply(told);
      else failed();
      if (this.ended || this.life.current?.id !== attempt) this.#busy.delete(key);
      else if (told === undefined || type === 'stopAttempt') this.#rest(key);
      else this.#done(key);
    });
  }

  #stop({ id, host, stopping }: CurrentAttempt): void {
    if (host === undefined || stopping === undefined) return;
    const { outcome, reason } = stopping;
    this.#ask(
      host,
      'stopAttempt',
      { attempt: id, outcome, reason },
      (answer) => {
        const { confirmed, result } = answer as StopAttemptResult;
        return confirmed
          ? { type: 'ended', result: { ...(result ?? { outcome, reason, host }), attempt: id } }
          : undefined;
      },
      () => this.apply({ type: 'unreachable', attempt: id, text: `host ${host} did not take up the order to stop` }),
    );
  }

  /** Looks at the remote, again and again while it is away, with growing distance. */
  #look(
    state: BeadState,
    attempt: string,
    branch: string,
    tries: number,
    event: (evidence: Evidence | undefined) => BeadEvent | undefined,
  ): void {
    const key = tries === Infinity ? 'verify' : 'salvage';
    const look = (nth: number): void =>
      this.town.whenThere(() => {
        if (this.ended) return void this.#busy.delete(key);
        if (this.town.remote.away && nth < tries)
          return void this.town.clock.after(Math.min(1_000 * 2 ** nth, 60_000), () => look(nth + 1));
        const evidence = this.town.remote.away
          ? undefined
          : this.town.remote.verify({
              bead: state.bead,
              attempt,
              repo: state.repo,
              branch,
              ...(key === 'verify' && state.sha !== undefined ? { sha: state.sha } : {}),
            });
        this.#busy.delete(key);
        const told = event(evidence);
        if (told !== undefined) this.apply(told);
      });
    this.town.clock.after(100, () => look(1));
  }
}
