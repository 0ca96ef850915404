/**
 * Keeps one attempt: watches it through `startAgent`, asks its host for adoption in every doubt, carries out what the
 * state asks for (stop, pause, messages), and looks at the clocks. What any of it means is decided in
 * `domain/bead/step.ts`.
 * @module
 */
import { CancellationScope, condition, isCancellation, log, patched, sleep, workflowInfo } from '@temporalio/workflow';
import { taskQueues } from '../contract/index.js';
import type { BeadState, CurrentAttempt } from '../contract/index.js';
import {
  beadEffects,
  comesSooner,
  firesInVain,
  hostAnswersWithin,
  hostInput,
  nextBeadDeadline,
  outageShown,
  startEffect,
  startInput,
  tellAgainAfter,
} from '../domain/index.js';
import type { BeadEffect, BeadEvent } from '../domain/index.js';
import { hostActivities, startAgent, startAgentOptions } from './activities.js';
import { eventOfFailure } from './failures.js';

/** What the keeper needs of the bead that owns it. */
export interface AttemptOwner {
  readonly state: BeadState;
  readonly body: string;
  apply(event: BeadEvent): void;
  /** True once the run wants to continue as new: let go of everything, stop nothing. */
  renewing(): boolean;
}

export class AttemptKeeper {
  /** Holds `startAgent`; cancelled when the attempt is to stop. */
  readonly #scope = new CancellationScope();
  /**
   * Holds what is asked of the host; cancelled when the attempt is over, so that a host that does not answer holds
   * nothing up.
   */
  readonly #hostScope = new CancellationScope();
  readonly #town = workflowInfo().taskQueue;
  /** Host activities under way; continue-as-new waits for them. */
  #atHost = 0;
  /** Keys of what is under way. */
  readonly #atWork = new Set<string>();
  /** A part has failed by a fault of ours. */
  #broken: { error: unknown } | undefined;

  constructor(
    private readonly bead: AttemptOwner,
    private readonly attempt: string,
  ) {}

  /**
   * Resolves when the attempt has ended, or when the run wants to continue as new and nothing is under way that it
   * would lose.
   */
  async keep(): Promise<void> {
    const parts = [this.#guard(this.#pursue()), this.#guard(this.#watchClocks())];
    // One wait for all of them: each condition of a cached bead costs its worker several kB for as long as the agent
    // works.
    const due = (): BeadEffect[] =>
      beadEffects(this.bead.state).filter(({ do: what, key }) => what !== 'start' && !this.#atWork.has(key));
    for (;;) {
      await condition(() => this.#over() || this.#broken !== undefined || due().length > 0);
      if (this.#over() || this.#broken !== undefined) break;
      for (const effect of due()) {
        this.#atWork.add(effect.key);
        parts.push(this.#guard(this.#carryOut(effect)).then(() => void this.#atWork.delete(effect.key)));
      }
    }
    // What watched the attempt ends with it, or with this run.
    this.#scope.cancel();
    this.#hostScope.cancel();
    if (this.#broken !== undefined) throw this.#broken.error;
    await Promise.all(parts);
  }

  /** Once it has been run the state must not ask for it any more, or time must have passed: it is run again at once. */
  #carryOut(effect: BeadEffect): Promise<void> {
    switch (effect.do) {
      case 'stop':
        return this.#stop();
      case 'tellPause':
        return this.#tellPause(effect);
      case 'deliver':
        return this.#deliver(effect);
      case 'start':
      case 'tellRig':
      case 'salvage':
      case 'offer':
      case 'verify':
      case 'dispatch':
        throw new Error(`while an attempt is under way nothing is done by hand to ${effect.do}`);
      default:
        return effect satisfies never;
    }
  }

  #current(): CurrentAttempt | undefined {
    const { current } = this.bead.state;
    return current?.id === this.attempt ? current : undefined;
  }

  #over(): boolean {
    return this.#current() === undefined || (this.bead.renewing() && this.#atHost === 0);
  }

  /** A part that ends by the keeper's own cancellation has done its duty. */
  #guard(part: Promise<void>): Promise<void> {
    return part.catch((error: unknown) => {
      if (!isCancellation(error)) this.#broken = { error };
    });
  }

  /** `startAgent`, again and again: every doubt has one answer, to schedule it once more for the same attempt. */
  async #pursue(): Promise<void> {
    for (;;) {
      const attempt = this.#current();
      if (attempt === undefined || this.#over()) return;
      const start = startEffect(attempt);
      if (start === undefined) {
        await condition(() => this.#over());
        return;
      }
      const watched = this.#scope
        .run(() => this.#start(start))
        .then(
          (result): BeadEvent => ({ type: 'ended', result: { ...result, attempt: this.attempt } }),
          (error: unknown) =>
            eventOfFailure(error, this.attempt, this.#current()?.host, this.#current()?.stopping !== undefined),
        );
      const event = await Promise.race([watched, condition(() => this.#over())]);
      if (event === undefined) {
        // The attempt ended by another way (or the run is renewed): let go of the activity, without waiting for it.
        watched.catch((error: unknown) => log.warn('the activity of an ended attempt failed', { error }));
        if (this.#current() === undefined) this.#scope.cancel();
        return;
      }
      // The patch: earlier runs counted every silence as one after a sign.
      this.bead.apply(
        event.type === 'silent' && event.details === undefined && patched('a-silence-without-a-beat')
          ? { ...event, unheard: true }
          : event,
      );
      // An adoption that fails at once again (a host in trouble) must not spin.
      if (event.type === 'unwatched' && this.#current() !== undefined) await this.#pauseBetween();
    }
  }

  async #start({ attempt, adoptOn }: Extract<BeadEffect, { do: 'start' }>): ReturnType<typeof startAgent> {
    const { state } = this.bead;
    const adopt = adoptOn !== undefined;
    if (adopt) this.bead.apply({ type: 'adopting', attempt: attempt.id });
    const input = startInput(state, attempt, adopt ? 'adopt' : 'start', this.bead.body);
    const queue = adopt ? taskQueues.host(adoptOn, this.#town) : taskQueues.agents(this.#town);
    const summary = `attempt ${attempt.number}${adopt ? `: adoption on ${adoptOn}` : ''}`;
    // What is in the input reaches the attempt with it.
    if (input.messages.length > 0)
      this.bead.apply({ type: 'delivered', attempt: attempt.id, messages: input.messages.map(({ id }) => id) });
    return startAgent.executeWithOptions(
      startAgentOptions(state.clocks, state.priority, state.rig ?? state.convoy ?? 'beads', summary, { queue, adopt }),
      [input],
    );
  }

  /**
   * The one lazy timer: sleeps until the deadline as it stood, and looks again when it fires. A heartbeat leaves it
   * alone, but for the last one before it fires: to move it then costs two events, to let it fire and arm it anew five.
   */
  async #watchClocks(): Promise<void> {
    for (;;) {
      if (this.#over()) return;
      this.bead.apply({ type: 'tick' });
      if (this.#over()) return;
      // After the tick no deadline lies in the past: how late the timer fires is all its own.
      const armed = nextBeadDeadline(this.bead.state);
      const sooner = (): boolean => comesSooner(this.bead.state, armed);
      if (armed === undefined) {
        await condition(() => this.#over() || sooner());
        continue;
      }
      // The patch: earlier runs let it fire.
      const outdated = (): boolean => firesInVain(this.bead.state, armed) && patched('a-timer-moves-before-it-fires');
      if (
        await condition(() => this.#over() || sooner() || outdated(), Math.max(armed.at - Date.now(), 1), {
          summary: `${armed.what} (attempt ${this.#current()?.number ?? '?'})`,
        })
      )
        continue;
      const ms = outageShown(this.bead.state, armed, Date.now());
      if (ms !== undefined) this.bead.apply({ type: 'outage', ms });
    }
  }

  /**
   * Stop really stops: the order goes both by cancellation (with the next beat) and straight to the host, until it is
   * confirmed.
   */
  async #stop(): Promise<void> {
    this.#scope.cancel();
    for (;;) {
      const attempt = this.#current();
      if (attempt?.stopping === undefined) return;
      const { host } = attempt;
      if (host === undefined) {
        // No host has it: the cancellation of the queued activity is all there is to do.
        await condition(() => this.#over() || this.#current()?.host !== undefined);
        continue;
      }
      const { outcome, reason } = attempt.stopping;
      await this.#askHost(async () => {
        const answer = await hostActivities(
          host,
          this.#town,
          this.bead.state.clocks,
          hostAnswersWithin,
        ).stopAttempt.executeWithOptions({ summary: `stop attempt ${attempt.number}` }, [
          { ...hostInput(this.bead.state, this.attempt), outcome, reason },
        ]);
        if (answer.confirmed)
          this.bead.apply({
            type: 'ended',
            result: { ...(answer.result ?? { outcome, reason, host }), attempt: this.attempt },
          });
      }, `host ${host} did not take up the order to stop`);
      if (this.#current() !== undefined) await this.#pauseBetween();
    }
  }

  /** Tells the host when the bead's pause and what the host knows of it differ. */
  async #tellPause({ host, paused }: Extract<BeadEffect, { do: 'tellPause' }>): Promise<void> {
    const told = await this.#askHost(async () => {
      await hostActivities(host, this.#town, this.bead.state.clocks, hostAnswersWithin).pauseAttempt.executeWithOptions(
        { summary: paused ? 'pause the agent' : 'let the agent go on' },
        [{ ...hostInput(this.bead.state, this.attempt), paused }],
      );
      this.bead.apply({ type: 'pauseTold', attempt: this.attempt, paused });
    });
    if (!told) await this.#pauseBetween();
  }

  /** Messages to the running agent, in order. What it does not take up goes into the next attempt's input. */
  async #deliver({
    host,
    message: { deliveredTo: _, ...message },
  }: Extract<BeadEffect, { do: 'deliver' }>): Promise<void> {
    const delivered = await this.#askHost(async () => {
      await hostActivities(
        host,
        this.#town,
        this.bead.state.clocks,
        hostAnswersWithin,
      ).deliverMessage.executeWithOptions({ summary: `message from ${message.from}` }, [
        { ...hostInput(this.bead.state, this.attempt), message },
      ]);
      this.bead.apply({ type: 'delivered', attempt: this.attempt, messages: [message.id] });
    });
    if (!delivered) await this.#pauseBetween();
  }

  /**
   * Runs a host activity that may fail: the state still asks for it, so it is tried again. @returns whether it went
   * well.
   */
  async #askHost(run: () => Promise<void>, unreachable?: string): Promise<boolean> {
    this.#atHost += 1;
    try {
      await this.#hostScope.run(run);
      return true;
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.warn('the host of an attempt did not do what the bead asked for', { attempt: this.attempt, error });
      if (unreachable !== undefined) this.bead.apply({ type: 'unreachable', attempt: this.attempt, text: unreachable });
      return false;
    } finally {
      this.#atHost -= 1;
    }
  }

  async #pauseBetween(): Promise<void> {
    if (this.#over()) return;
    await Promise.race([sleep(tellAgainAfter, { summary: 'ask the host again' }), condition(() => this.#over())]);
  }
}
