/**
 * Virtual time over the time-skipping test server, exact also while activities are pending.
 *
 * What the server does (1.38, tried): each workflow task, each scheduled or running activity and the server itself hold
 * a lock; time jumps only at zero locks and runs like a wall clock else. To jump with N activities pending one has to
 * take N locks away and give them back. If one of these activities closes meanwhile, the count falls below zero and a
 * workflow task's answer is refused. So this clock never jumps *across* an instant at which the server ends an
 * activity: it jumps to just before it, gives the locks back, and lets the last moment pass in real time. And nothing
 * is begun right before a timer fires (`timerGuard`).
 * @module
 */
import { setTimeout } from 'node:timers/promises';
import type { TestService } from '@temporalio/client';
import type { Clock } from './clock.js';
import { milliseconds } from './duration.js';
import type { Duration } from './duration.js';
import { stampMs } from './run-history.js';
import type { ServerEvent } from './run-history.js';

/** What the clock needs to know of the workflows that live by it. */
export interface ClockContext {
  /**
   * Resolves when no workflow task is open and no task can be taken up: nothing happens any more but by time.
   * `touched`: only what was touched is looked at.
   */
  settle(touched?: 'touched'): Promise<void>;
  /** Locks on time that are held besides the clock's own, and will be given back. */
  locks(): number;
  /** @returns how many the server has forgotten to give back since this was asked last. */
  takeForgottenLocks(): number;
  /** The earliest instant at which the server acts by itself. */
  nextServerEvent(): ServerEvent | undefined;
  /** The earliest instant at which it ends, or tries again, an activity by itself; Infinity for none. */
  nextActivityEnd(): number;
  /** Called when such an instant has passed; resolves when its effect has shown, or will not. */
  passed(event: ServerEvent): Promise<void>;
}

/** Before an activity's time-out, time runs in real milliseconds for so long: a request may take as many. */
const guard = 120;
/**
 * A timer that fires while a workflow task is open which cancels it makes the server (1.38) refuse that task's answer,
 * and forget the task: the workflow stands still for good. So what would be done less than so many virtual milliseconds
 * before a timer is done right after it: a workflow task takes as many. On a busy machine it takes longer, and the
 * clock runs meanwhile: then twice as long as workflows have lately taken to settle, up to the second of these.
 */
const timerGuard = { least: 100, most: 2_000 };
/** So often, in real milliseconds, a jump that has not arrived is looked after. */
const lookAfter = 400;
/** One that has not arrived after so many looks is stuck on a lock that nobody has counted, not on a busy machine. */
const stuckAfter = 12;
/**
 * A pass that has done nothing new for so many real milliseconds never will; more than a settling may take, and less
 * than a test may.
 */
const standsStillAfter = 150_000;

interface Appointment {
  at: number;
  order: number;
  run: () => unknown;
}

export class VirtualClock implements Clock {
  readonly #agenda: Appointment[] = [];
  #order = 0;
  /** What the server said last, when that was heard, and how long before, at most, it was said. */
  #known = { virtual: 0, real: 0, old: 0 };
  #uncounted = 0;
  #busy = false;
  #doing = { what: 'nothing yet', since: 0 };
  #broken: Error | undefined;
  /** Milliseconds that workflows have lately taken to settle: the longest, which is forgotten by and by. */
  #settlesIn = 0;

  constructor(
    private readonly server: TestService,
    private readonly around: ClockContext,
    /** Real milliseconds without anything new after which a pass is given up. */
    private readonly patience = standsStillAfter,
  ) {}

  /** Asks the server for its time. Called once before use. */
  async synchronise(): Promise<number> {
    const asked = performance.now();
    const { time } = await this.server.getCurrentTime({});
    const real = performance.now();
    this.#known = { virtual: stampMs(time), real, old: real - asked };
    return this.#known.virtual;
  }

  /** Virtual milliseconds since the epoch. Between jumps it runs like a wall clock. */
  now(): number {
    return this.#known.virtual + (performance.now() - this.#known.real);
  }

  /**
   * Runs something at a virtual instant, while the clock advances. @returns a function that takes the appointment back.
   */
  at(instant: number, run: () => unknown): () => void {
    const appointment: Appointment = { at: instant, order: this.#order++, run };
    const index = this.#agenda.findIndex((other) => other.at > instant);
    if (index === -1) this.#agenda.push(appointment);
    else this.#agenda.splice(index, 0, appointment);
    return () => {
      const place = this.#agenda.indexOf(appointment);
      if (place !== -1) this.#agenda.splice(place, 1);
    };
  }

  /** Likewise, after a time. */
  after(duration: Duration, run: () => unknown): () => void {
    return this.at(this.now() + milliseconds(duration), run);
  }

  /** Lets virtual time pass, stopping at everything that is due on the way. */
  async advance(duration: Duration): Promise<void> {
    await this.#alone(async () => this.#pass((await this.synchronise()) + milliseconds(duration), () => false));
  }

  /** Lets virtual time pass until an instant. */
  async advanceTo(target: number): Promise<void> {
    await this.#alone(() => this.#pass(target, () => false));
  }

  /**
   * Lets virtual time pass until something is true; it is looked at whenever something has happened.
   * @throws {Error} when it is still not true `within` so much virtual time.
   */
  async until(what: string, holds: () => boolean | Promise<boolean>, within: Duration = '1h'): Promise<void> {
    const came = await this.#alone(async () => this.#pass((await this.synchronise()) + milliseconds(within), holds));
    if (!came) throw new Error(`after ${String(within)} of virtual time it is still not so: ${what}`);
  }

  /** Why this clock is of no use any more: a pass stands still, or nobody waited for its end. Undefined: it is. */
  get broken(): Error | undefined {
    return (
      this.#broken ?? (this.#busy ? new Error(`the virtual clock is still at it: ${this.#doing.what}`) : undefined)
    );
  }

  /** Ends a pass that is under way: it rejects, at the latest when it would do its next step. */
  close(): void {
    this.#broken ??= new Error('the virtual clock has been closed');
  }

  async #alone<T>(pass: () => Promise<T>): Promise<T> {
    if (this.#broken) throw this.#broken;
    if (this.#busy) throw new Error('the virtual clock is already being advanced; await one advance before the next');
    this.#busy = true;
    const over = new AbortController();
    try {
      return await Promise.race([pass(), this.#standingStill(over.signal)]);
    } finally {
      over.abort();
      this.#busy = false;
    }
  }

  /** Notes a step, so that a pass which stands still can say where. */
  #do(what: string): void {
    if (this.#broken) throw this.#broken;
    this.#doing = { what, since: performance.now() };
  }

  /** @throws {Error} when a pass does nothing new any more; resolves never. */
  async #standingStill(over: AbortSignal): Promise<never> {
    this.#do('begins');
    for (;;) {
      await setTimeout(this.patience / 60, undefined, { signal: over });
      if (performance.now() - this.#doing.since < this.patience) continue;
      this.#broken = new Error(`the virtual clock stands still: ${this.#doing.what}`);
      throw this.#broken;
    }
  }

  async #pass(target: number, holds: () => boolean | Promise<boolean>): Promise<boolean> {
    this.#do('workflows settle');
    await this.around.settle();
    for (;;) {
      this.#do(`workflows settle on the way to ${stamp(target)}`);
      const asked = performance.now();
      await this.around.settle('touched');
      this.#settlesIn = Math.max(performance.now() - asked, 0.9 * this.#settlesIn);
      this.#do(`looks whether it may end on the way to ${stamp(target)}`);
      if (await holds()) return true;
      const now = this.now();
      const event = this.around.nextServerEvent();
      if (event !== undefined && event.at < now) {
        this.#do(`waits for the effect of ${event.key}`);
        await this.around.passed(event);
        continue;
      }
      const mark = Math.min(this.#agenda[0]?.at ?? Infinity, target);
      const horizon = this.around.nextActivityEnd() - guard;
      if (now >= mark) {
        if (this.#agenda[0] === undefined || this.#agenda[0].at > now) return false;
        const timerFirst = event !== undefined && event.activity === undefined && event.at - now < this.#timerGuard;
        if (!timerFirst) await this.#keepAppointments(now);
        else await this.#towards(event.at + 1, horizon);
        continue;
      }
      // A timer takes no lock away, so time may jump onto it; before an activity's end it may not.
      const next = Math.min(mark, event === undefined ? Infinity : event.at + 1);
      await this.#towards(next, horizon);
    }
  }

  get #timerGuard(): number {
    return Math.min(Math.max(timerGuard.least, 2 * this.#settlesIn), timerGuard.most);
  }

  /** By a jump as far as the horizon; from there on in real time. */
  async #towards(next: number, horizon: number): Promise<void> {
    const now = this.now();
    this.#do(`goes from ${stamp(now)} to ${stamp(Math.min(next, Math.max(horizon, now)))}`);
    if (Math.min(next, horizon) > now) await this.#jump(Math.min(next, horizon));
    else await setTimeout(Math.max(next - now, 1));
  }

  async #keepAppointments(now: number): Promise<void> {
    // Only what was due at the start: what these appoint anew is looked at after things have settled.
    const due = this.#agenda.filter((appointment) => appointment.at <= now);
    this.#agenda.splice(0, due.length);
    for (const appointment of due) {
      this.#do(`keeps an appointment of ${stamp(appointment.at)}`);
      await appointment.run();
    }
  }

  async #jump(to: number): Promise<void> {
    const rest = to - this.now();
    if (rest < 1) return;
    const started = performance.now();
    const { old } = this.#known;
    const held = this.around.locks();
    const forgotten = this.around.takeForgottenLocks();
    /** Locks of others that are taken away until time has arrived. */
    let taken = 0;
    // Each has arrived before the next step: a request that the server gets to only after the jump would count from
    // there on.
    const take = async (times: number): Promise<void> => {
      await allOf(times, () => this.server.unlockTimeSkipping({}));
      taken += times;
    };
    try {
      // Those that are forgotten are taken away once and for all: nobody else ever will.
      await allOf(forgotten, () => this.server.unlockTimeSkipping({}));
      await take(held);
      // The clock's own lock is the last to go, with the mark at which the server itself gives it back: time jumps
      // there, and no further.
      const duration = protoDuration(to - this.now());
      const arrived = this.server.unlockTimeSkippingWithSleep({ duration }).then(() => true);
      for (let looks = 1; !(await Promise.race([arrived, setTimeout(lookAfter).then(() => false)])); looks += 1) {
        if ((await this.synchronise()) >= to) continue;
        // What somebody asked for just before the jump has begun since: its activities are seen to, and those that go
        // on hold a lock each.
        await this.around.settle();
        const begun = this.around.locks() - taken;
        if (begun > 0) {
          this.#do(`goes to ${stamp(to)}, past ${begun} activities that have begun meanwhile`);
          await take(begun);
        } else if (looks % stuckAfter === 0) {
          // Nothing of ours is under way, so the lock belongs to something that the server has forgotten.
          await this.server.unlockTimeSkipping({});
          this.#uncounted += 1;
        }
      }
    } finally {
      await allOf(taken, () => this.server.lockTimeSkipping({}));
      await this.synchronise();
    }
    const late = this.now() - to - (performance.now() - started);
    // The jump was measured from what the server had said; on a busy machine an answer takes a while to be heard.
    if (late > 100 + old)
      throw new Error(
        `virtual time ran ${Math.round(late)} ms past its mark: fewer locks were held on it than were counted ` +
          `(${held + forgotten})`,
      );
  }

  /** Locks that the server holds and nobody accounts for, found by being stuck; 0 as long as the books are right. */
  get uncountedLocks(): number {
    return this.#uncounted;
  }
}

const allOf = async (times: number, call: () => Promise<unknown>): Promise<void> =>
  void (await Promise.all(Array.from({ length: times }, call)));

const stamp = (instant: number): string => (instant === Infinity ? 'never' : new Date(instant).toISOString());

const protoDuration = (ms: number): { seconds: never; nanos: number } => {
  const whole = Math.max(Math.round(ms), 1);
  // The generated type wants a Long; a plain number is taken as well.
  return { seconds: Math.floor(whole / 1_000) as never, nanos: (whole % 1_000) * 1e6 };
};
