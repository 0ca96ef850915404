/**
 * Keeps one attempt: watches it through `startAgent`, asks its host for adoption in every doubt, carries out what the
 * state asks for (stop, pause, messages), and looks at the clocks. What any of it means is decided in
 * `domain/bead/step.ts`.
 * @module
 */
import { CancellationScope, condition, isCancellation, log, patched, sleep, workflowInfo } from '@temporalio/workflow';
import { taskQueues } from '../contract/index.js';
import type { BeadState, CurrentAttempt, StartAgentInput } from '../contract/index.js';
import { firesInVain, nextDeadline } from '../domain/index.js';
import type { BeadEvent } from '../domain/index.js';
import { hostActivities, startAgent, startAgentOptions } from './activities.js';
import { eventOfFailure } from './failures.js';

/** What the keeper needs of the bead that owns it. */
export interface Keep {
  readonly state: BeadState;
  readonly body: string;
  apply(event: BeadEvent): void;
  /** True once the run wants to continue as new: let go of everything, stop nothing. */
  renewing(): boolean;
}

/** A host that answers at all does so within this; its worker polls all the time. */
const hostAnswersWithin = 30_000;
/** Distance between two tries to tell a host something. */
const tellAgainAfter = 10_000;

/** What the state may ask for at any time; none waits for another. */
interface Duty {
  /** Once it has been run this must be false, or time must have passed: it is run again at once. */
  due(): boolean;
  run(): Promise<void>;
}

export class AttemptKeeper {
  /** Holds `startAgent`; cancelled when the attempt is to stop. */
  readonly #scope = new CancellationScope();
  /**
   * Holds the errands to the host; cancelled when the attempt is over, so that a host that does not answer holds
   * nothing up.
   */
  readonly #errandScope = new CancellationScope();
  readonly #town = workflowInfo().taskQueue;
  /** Host activities under way; continue-as-new waits for them. */
  #errands = 0;
  readonly #duties: readonly Duty[] = [
    { due: () => this.#current()?.stopping !== undefined, run: () => this.#stop() },
    { due: () => this.#pauseUntold(), run: () => this.#tellPause() },
    { due: () => this.#nextMessage() !== undefined, run: () => this.#deliver() },
  ];
  readonly #atWork = new Set<Duty>();
  /** A part has failed by a fault of ours. */
  #broken: { error: unknown } | undefined;

  constructor(
    private readonly bead: Keep,
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
    const due = (): Duty[] => this.#duties.filter((duty) => !this.#atWork.has(duty) && duty.due());
    for (;;) {
      await condition(() => this.#over() || this.#broken !== undefined || due().length > 0);
      if (this.#over() || this.#broken !== undefined) break;
      for (const duty of due()) {
        this.#atWork.add(duty);
        parts.push(this.#guard(duty.run()).then(() => void this.#atWork.delete(duty)));
      }
    }
    // What watched the attempt ends with it, or with this run.
    this.#scope.cancel();
    this.#errandScope.cancel();
    if (this.#broken !== undefined) throw this.#broken.error;
    await Promise.all(parts);
  }

  #current(): CurrentAttempt | undefined {
    const { current } = this.bead.state;
    return current?.id === this.attempt ? current : undefined;
  }

  #over(): boolean {
    return this.#current() === undefined || (this.bead.renewing() && this.#errands === 0);
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
      if (attempt.stopping !== undefined && attempt.adopting) {
        // Nothing is to be adopted any more: the stop asks the host, and the clock gives up.
        await condition(() => this.#over());
        return;
      }
      const watched = this.#scope
        .run(() => this.#start(attempt))
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
      // The patch: runs of before counted every silence as one after a sign.
      this.bead.apply(
        event.type === 'silent' && event.details === undefined && patched('a-silence-without-a-beat')
          ? { ...event, unheard: true }
          : event,
      );
      // An adoption that fails at once again (a host in trouble) must not spin.
      if (event.type === 'unwatched' && this.#current() !== undefined) await this.#pauseBetween();
    }
  }

  async #start(attempt: CurrentAttempt): ReturnType<typeof startAgent> {
    const { state } = this.bead;
    const adopt = attempt.adopting && attempt.host !== undefined;
    if (adopt) this.bead.apply({ type: 'adopting', attempt: attempt.id });
    const input: StartAgentInput = {
      bead: state.bead,
      attempt: attempt.id,
      number: attempt.number,
      mode: adopt ? 'adopt' : 'start',
      title: state.title,
      body: this.bead.body,
      repo: state.repo,
      base: state.base,
      ...(state.landing?.startSha !== undefined ? { baseSha: state.landing.startSha } : {}),
      checkpoint: attempt.checkpoint,
      agent: state.agentSpec,
      rig: state.rig,
      clocks: state.clocks,
      notes: state.notes,
      workspace: state.workspace,
      messages: state.messages.map(({ deliveredTo: _, ...message }) => message),
      ...(state.session?.adapter === state.agentSpec.adapter ? { session: state.session } : {}),
    };
    const queue =
      adopt && attempt.host !== undefined ? taskQueues.host(attempt.host, this.#town) : taskQueues.agents(this.#town);
    const summary = `attempt ${attempt.number}${adopt ? `: adoption on ${attempt.host ?? ''}` : ''}`;
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
      const armed = nextDeadline(this.bead.state);
      const sooner = (): boolean => (nextDeadline(this.bead.state)?.at ?? Infinity) < (armed?.at ?? Infinity);
      if (armed === undefined) {
        await condition(() => this.#over() || sooner());
        continue;
      }
      // The patch: runs of before let it fire.
      const outdated = (): boolean => firesInVain(this.bead.state, armed) && patched('a-timer-moves-before-it-fires');
      if (
        await condition(() => this.#over() || sooner() || outdated(), Math.max(armed.at - Date.now(), 1), {
          summary: `${armed.what} (attempt ${this.#current()?.number ?? '?'})`,
        })
      )
        continue;
      const late = Date.now() - armed.at;
      // The timer fired so late that heartbeats would have been lost too: an agent that seemed silent may only have had
      // nobody to report to.
      if (late > this.bead.state.clocks.heartbeatTimeout) this.bead.apply({ type: 'outage', ms: late });
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
      await this.#errand(async () => {
        const answer = await hostActivities(
          host,
          this.#town,
          this.bead.state.clocks,
          hostAnswersWithin,
        ).stopAttempt.executeWithOptions({ summary: `stop attempt ${attempt.number}` }, [
          { bead: this.bead.state.bead, attempt: this.attempt, repo: this.bead.state.repo, outcome, reason },
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

  #pauseUntold(): boolean {
    const attempt = this.#current();
    return (
      attempt?.spawnedAt !== undefined &&
      attempt.host !== undefined &&
      attempt.suspectSince === undefined &&
      attempt.stopping === undefined &&
      attempt.pauseTold !== this.bead.state.paused
    );
  }

  /** Tells the host when the bead's pause and what the host knows of it differ. */
  async #tellPause(): Promise<void> {
    const host = this.#current()?.host;
    if (host === undefined) return;
    const { paused } = this.bead.state;
    const told = await this.#errand(async () => {
      await hostActivities(host, this.#town, this.bead.state.clocks, hostAnswersWithin).pauseAttempt.executeWithOptions(
        { summary: paused ? 'pause the agent' : 'let the agent go on' },
        [{ bead: this.bead.state.bead, attempt: this.attempt, repo: this.bead.state.repo, paused }],
      );
      this.bead.apply({ type: 'pauseTold', attempt: this.attempt, paused });
    });
    if (!told) await this.#pauseBetween();
  }

  #nextMessage(): BeadState['messages'][number] | undefined {
    const attempt = this.#current();
    if (
      attempt?.spawnedAt === undefined ||
      attempt.host === undefined ||
      attempt.suspectSince !== undefined ||
      attempt.stopping !== undefined
    )
      return undefined;
    return this.bead.state.messages.find((message) => message.deliveredTo !== this.attempt);
  }

  /** Messages to the running agent, in order. What it does not take up goes into the next attempt's input. */
  async #deliver(): Promise<void> {
    const pending = this.#nextMessage();
    const host = this.#current()?.host;
    if (pending === undefined || host === undefined) return;
    const { deliveredTo: _, ...message } = pending;
    const delivered = await this.#errand(async () => {
      await hostActivities(
        host,
        this.#town,
        this.bead.state.clocks,
        hostAnswersWithin,
      ).deliverMessage.executeWithOptions({ summary: `message from ${message.from}` }, [
        { bead: this.bead.state.bead, attempt: this.attempt, repo: this.bead.state.repo, message },
      ]);
      this.bead.apply({ type: 'delivered', attempt: this.attempt, messages: [message.id] });
    });
    if (!delivered) await this.#pauseBetween();
  }

  /**
   * Runs a host activity that may fail: the state still asks for it, so it is tried again. @returns whether it went
   * well.
   */
  async #errand(run: () => Promise<void>, unreachable?: string): Promise<boolean> {
    this.#errands += 1;
    try {
      await this.#errandScope.run(run);
      return true;
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.warn('the host of an attempt did not do what the bead asked for', { attempt: this.attempt, error });
      if (unreachable !== undefined) this.bead.apply({ type: 'unreachable', attempt: this.attempt, text: unreachable });
      return false;
    } finally {
      this.#errands -= 1;
    }
  }

  async #pauseBetween(): Promise<void> {
    if (this.#over()) return;
    await Promise.race([sleep(tellAgainAfter, { summary: 'ask the host again' }), condition(() => this.#over())]);
  }
}
