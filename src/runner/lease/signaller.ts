import type { AttemptCell, Checkpoint, Clocks, HeartbeatKind, HeartbeatSignal } from '../../contract/index.js';
import type { BeadLink, Delivery } from './bead-link.js';
import { lookEvery } from './lease.js';
import type { Time } from '../time.js';
import { emptyPlan, planDelivered, planAcknowledged, planLife, planProgress, signalDue } from './signal-plan.js';
import type { LifeKind, ProgressKind, SignalPlan } from './signal-plan.js';
import type { Part } from '../part.js';
import { Waker } from '../waker.js';

export interface SignallerOptions {
  link: BeadLink;
  time: Time;
  clocks: Clocks;
  attempt: string;
  host: string;
  /** Newest work on the remote; every signal carries it. */
  checkpoint(): Checkpoint | undefined;
  /** Why the newest save is not on the remote, when waiting does not help; every signal carries it. */
  saveProblem(): string | undefined;
  /** Told with the claim: by it the bead knows the runner's word on finished work. */
  vouchKey: string;
  /** What the agent runs in; told with the claim, too. */
  cell: AttemptCell;
  /** Which of its host's accounts the agent uses. */
  account?: string | undefined;
  /** The bead has ended. */
  onEnded(): void;
}

/**
 * The progress clock: tells the bead by `heartbeat` signals what {@link signalDue} finds worth telling. What did not
 * get through is tried again.
 */
export class Signaller implements Part {
  #plan: SignalPlan = emptyPlan;
  readonly #waker: Waker;
  /** News must not shorten the wait after a failure: a chatty agent would hammer at a server that is away. */
  readonly #retry: Waker;
  #running = true;

  constructor(private readonly options: SignallerOptions) {
    this.#waker = new Waker(options.time);
    this.#retry = new Waker(options.time);
  }

  life(kind: LifeKind): void {
    this.#change(planLife(this.#plan, kind));
  }

  progress(kind: ProgressKind, activity?: string): void {
    const news = this.#plan.progress === undefined;
    this.#plan = planProgress(this.#plan, kind, activity);
    // More of the same changes nothing about when it is told; a program that prints a thousand lines a second must not
    // wake us by each.
    if (news) this.#waker.wake();
  }

  acknowledged(ids: readonly string[]): void {
    if (ids.length > 0) this.#change(planAcknowledged(this.#plan, ids));
  }

  /** Sends until {@link reported}, or until the bead has ended. */
  async spawned(): Promise<void> {
    const { time, clocks, onEnded } = this.options;
    while (this.#running) {
      const due = signalDue(this.#plan, time.now(), clocks);
      if (due === undefined || 'inMs' in due) {
        await this.#waker.sleep(due?.inMs);
        continue;
      }
      switch (await this.#send(due.kind)) {
        case 'delivered':
          break;
        case 'unreachable':
          await this.#retry.sleep(lookEvery(clocks));
          break;
        case 'ended':
          this.#running = false;
          onEnded();
      }
    }
  }

  reported(): void {
    this.#running = false;
    this.#waker.wake();
    this.#retry.wake();
  }

  /** One signal outside of the plan (`start`, `orphan`). */
  sendNow(kind: HeartbeatKind): Promise<Delivery> {
    return this.options.link.signal(this.#payload(kind, this.#plan));
  }

  async #send(kind: HeartbeatKind): Promise<Delivery> {
    const sent = this.#plan;
    const sentAt = this.options.time.now();
    const delivery = await this.options.link.signal(this.#payload(kind, sent));
    if (delivery === 'delivered') this.#plan = planDelivered(this.#plan, sent, kind, sentAt);
    return delivery;
  }

  #payload(kind: HeartbeatKind, plan: SignalPlan): HeartbeatSignal {
    const { attempt, host } = this.options;
    const checkpoint = this.options.checkpoint();
    const saveProblem = this.options.saveProblem();
    return {
      attempt,
      host,
      kind,
      // Once delivered it is known; the fence lets no agent start before.
      vouchKey: kind === 'start' ? this.options.vouchKey : undefined,
      cell: kind === 'start' ? this.options.cell : undefined,
      account: kind === 'start' ? this.options.account : undefined,
      activity: plan.progress?.activity,
      checkpoint,
      saveProblem,
      acknowledged: plan.acknowledged.length > 0 ? [...plan.acknowledged] : undefined,
    };
  }

  #change(plan: SignalPlan): void {
    this.#plan = plan;
    this.#waker.wake();
  }
}
