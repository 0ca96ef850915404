import type { AgentExit } from '../agents/types.js';
import type { RunningAgent } from '../runner/agent/running-agent.js';
import { deferred } from '../runner/deferred.js';
import { lastOutput, nextOutput } from './agent-script.js';
import type { AgentPlan } from './agent-script.js';
import type { FakeProcess } from './fake-process.js';
import { lineOf, progressLine } from './scripted-adapter.js';

/** What an agent meets its runner by: its output, and the calls of its socket. */
export interface AgentWays {
  line(line: string): void;
  /** @returns `again` when it may work later, and `kept` when only a person can help: its commits are kept. */
  done(): Promise<'taken' | 'again' | 'kept'>;
  escalate(text: string): Promise<void>;
  /** Ids of the messages that it has not acknowledged. */
  messages(): string[];
  acknowledge(ids: string[]): void;
  /** It has changed a file. */
  change(): void;
  /** Its process has ended. */
  gone(): void;
}

export interface FakeAgentOptions {
  plan: AgentPlan;
  clock: { now(): number };
  /** Carries its appointments; itself it never stands still. */
  process: FakeProcess;
  pid: number;
  /**
   * Milliseconds within which only the last line of its chatter is put out: nobody would tell the bead of more, and
   * every line costs real time.
   */
  quietFor: number;
  ways: AgentWays;
}

/** A remote that is away is tried again so often by an agent that is done. */
const doneAgainAfter = 10_000;

/** A scripted agent's process: a clock of its own that stands still while it is stopped. */
export class FakeAgent implements RunningAgent {
  readonly group: NonNullable<RunningAgent['group']>;
  readonly #exit = deferred<AgentExit>();
  readonly #plan: AgentPlan;
  #ranBefore = 0;
  #runningSince: number | undefined;
  /** Ages, by its own clock. */
  #wokenAt: number | undefined;
  #spokeAt = 0;
  #finishAt: number;
  #ended = false;
  #unheard = false;
  #disarm: () => void = () => undefined;

  constructor(private readonly options: FakeAgentOptions) {
    const { pid, plan, clock } = options;
    this.group = { pid, pgid: pid, startTime: 'fake' };
    this.#plan = plan;
    this.#finishAt = plan.works;
    this.#runningSince = clock.now();
    this.#arm();
  }

  get exit(): Promise<AgentExit> {
    return this.#exit.promise;
  }

  get alive(): boolean {
    return !this.#ended;
  }

  get stopped(): boolean {
    return this.#runningSince === undefined;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#ended) return;
    this.#ranBefore = this.#age();
    this.#runningSince = undefined;
    this.#disarm();
  }

  /** SIGCONT. */
  continue(): void {
    if (this.#ended || !this.stopped) return;
    this.#runningSince = this.options.clock.now();
    if (this.#unheard) this.hear();
    this.#arm();
  }

  /** Its process is gone, by itself or by a signal. */
  end(exit: Omit<AgentExit, 'lastLines'>): void {
    if (this.#ended) return;
    this.stop();
    this.#ended = true;
    this.options.ways.gone();
    // A runner that died with it does nothing about it.
    if (this.options.process.alive) this.#exit.resolve({ ...exit, lastLines: [] });
  }

  /** A message arrived: an agent that heeds it acknowledges it, and has something to say a second later. */
  hear(): void {
    if (!this.#plan.heedsMessages || this.#ended) return;
    this.#unheard = this.stopped;
    if (this.stopped) return;
    const { ways } = this.options;
    ways.acknowledge(ways.messages());
    this.#wokenAt = this.#age();
    this.#arm();
  }

  #arm(): void {
    this.#disarm();
    const since = this.#runningSince;
    const next = Math.min(this.#nextWord(), this.#finishAt);
    if (since === undefined || next === Infinity) return;
    const due = Math.max(since + (next - this.#ranBefore), this.options.clock.now());
    this.#disarm = this.options.process.at(due, () => this.#live());
  }

  async #live(): Promise<void> {
    if (this.stopped) return;
    const age = this.#age();
    if (age >= this.#nextWord()) {
      this.#spokeAt = age;
      if (!this.#plan.changesNothing) this.options.ways.change();
      this.options.ways.line(progressLine);
    }
    if (age >= this.#finishAt) await this.#finish();
    this.#arm();
  }

  /** Does what its script says that it does last. */
  async #finish(): Promise<void> {
    const { ways } = this.options;
    const { ends, retryAfter, costUsd } = this.#plan;
    if (costUsd !== undefined) ways.line(lineOf({ kind: 'usage', total: true, costUsd }));
    switch (ends) {
      case 'done':
      case 'no_changes':
        if ((await ways.done()) !== 'again') return this.end({ code: 0 });
        this.#finishAt = this.#age() + doneAgainAfter;
        return;
      case 'escalated':
        await ways.escalate('which of the two?');
        return this.end({ code: 0 });
      case 'rate_limited':
        ways.line(lineOf({ kind: 'rate_limited', text: 'too many requests', retryAfterMs: retryAfter }));
        return this.end({ code: 1 });
      case 'auth_failed':
        ways.line(lineOf({ kind: 'auth_failed', text: 'not logged in' }));
        return this.end({ code: 1 });
      case 'crashed':
        return this.end({ signal: 'SIGSEGV' });
      case 'killed':
        return this.end({ signal: 'SIGKILL' });
      case 'silently':
        return this.end({ code: 0 });
      default:
        return ends satisfies never;
    }
  }

  /** @returns the age at which it puts something out next. */
  #nextWord(): number {
    const { quietFor } = this.options;
    const own = Math.max(nextOutput(this.#plan, this.#spokeAt), lastOutput(this.#plan, this.#spokeAt + quietFor));
    if (this.#wokenAt === undefined) return own;
    const awake = { ...this.#plan, firstOutput: this.#wokenAt + 1_000, silence: { from: Infinity, until: Infinity } };
    const heeding = Math.max(nextOutput(awake, this.#spokeAt), lastOutput(awake, this.#spokeAt + quietFor));
    return Math.min(own, heeding);
  }

  #age(): number {
    return this.#ranBefore + (this.#runningSince === undefined ? 0 : this.options.clock.now() - this.#runningSince);
  }
}
