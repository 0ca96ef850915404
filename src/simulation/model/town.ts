import { WorkflowNotFoundError } from '@temporalio/common';
import type { BeadInput, BeadView, Clocks, StartAgentInput } from '../../contract/index.js';
import { taskQueues } from '../../contract/index.js';
import { AgentCensus, FakeHost, FakeRemote } from '../../testing/index.js';
import type { AgentScript, Duration, HostSurroundings } from '../../testing/index.js';
import type { Broken } from '../rules.js';
import { ModelActivity } from './activity.js';
import type { ActivityOptions } from './activity.js';
import { ModelBead } from './bead.js';
import { ModelClock } from './clock.js';

/**
 * A town without a server: the same hosts, runners and agents as in the test kit, beads that are the domain alone, and
 * a model of Temporal between them.
 */
export class ModelTown implements HostSurroundings {
  readonly queue = 'model';
  readonly clock: ModelClock;
  readonly census: AgentCensus;
  readonly remote = new FakeRemote();
  readonly beads: ModelBead[] = [];
  /** The first rule that did not hold. */
  broken: Broken | undefined;
  /** When Temporal came back last. */
  thereSince = 0;
  /** Steps of the domain so far. */
  steps = 0;
  readonly #hosts: FakeHost[];
  readonly #scripts = new Map<string, readonly AgentScript[]>();
  #waiting: ModelActivity[] = [];
  /** Set while Temporal is away. */
  #held: (() => void)[] | undefined;

  constructor(
    private readonly options: {
      hosts: readonly string[];
      maxAgents: number;
      beatStep: number;
      budgets?: BeadInput['budgets'];
      clocks?: Partial<Clocks>;
    },
  ) {
    this.clock = new ModelClock(() => {
      // Thrown here, and not where it is found: not everybody there waits for the answer.
      if (this.broken !== undefined) throw this.broken;
      this.#handOut();
    });
    this.census = new AgentCensus(this.clock);
    this.#hosts = options.hosts.map((id) => new FakeHost(id, options.maxAgents, this));
  }

  /** What Temporal would do now; it does it when it is back. */
  whenThere(run: () => void): void {
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  get serverAway(): boolean {
    return this.#held !== undefined;
  }

  /**
   * Takes Temporal away, or brings it back: then timers that were due fire at once, and what they bring about belongs
   * to that instant.
   */
  async server(away: boolean): Promise<void> {
    if (away) this.#held ??= [];
    else if (this.#held !== undefined) {
      const held = this.#held;
      this.thereSince = this.clock.now();
      this.#held = undefined;
      for (const run of held) run();
      this.wake();
      await this.settle();
    }
  }

  host(name: string): FakeHost {
    const host = this.#hosts.find(({ id }) => id === name);
    if (host === undefined) throw new Error(`this town has no host ${name}`);
    return host;
  }

  async sling({ agent }: { agent: readonly AgentScript[] }): Promise<ModelBead> {
    const id = `b${this.beads.length + 1}`;
    this.#scripts.set(id, agent);
    const bead = new ModelBead(this, id, {
      bead: id,
      title: id,
      repo: '/srv/model.git',
      agent: { adapter: 'demo' },
      budgets: this.options.budgets,
      clocks: this.options.clocks,
    });
    this.beads.push(bead);
    await this.settle();
    return bead;
  }

  advance(duration: Duration): Promise<void> {
    return this.clock.advance(duration);
  }

  settle(): Promise<void> {
    // What is due at this very instant belongs to it.
    return this.clock.advance(0);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  schedule(options: ActivityOptions, onEnd: ConstructorParameters<typeof ModelActivity>[2]): ModelActivity {
    const activity = new ModelActivity(this, options, onEnd);
    this.#waiting.push(activity);
    this.wake();
    return activity;
  }

  // ---- for the hosts

  beatStep(_clocks: Clocks): number {
    return this.options.beatStep;
  }

  async ask(id: string): Promise<BeadView> {
    return this.#bead(id).view();
  }

  async signal(id: string, name: string, payload: unknown): Promise<void> {
    this.#bead(id).receive(name, payload);
  }

  script(input: StartAgentInput): AgentScript {
    const list = this.#scripts.get(input.bead) ?? [];
    return list[Math.min(input.number, list.length) - 1] ?? {};
  }

  note(): void {
    // The model keeps no facts: a script that breaks a rule is played again by the test kit, which does.
  }

  wake(): void {
    if (this.#waiting.length > 0) this.clock.at(this.clock.now(), () => undefined);
  }

  #bead(id: string): ModelBead {
    const bead = this.beads.find((one) => one.id === id);
    if (bead === undefined) throw new WorkflowNotFoundError('no such workflow', id, undefined);
    return bead;
  }

  /** Every task goes to a host that polls its queue. */
  #handOut(): void {
    if (this.#waiting.length === 0 || this.serverAway) return;
    const still: ModelActivity[] = [];
    const busy = new Set<FakeHost>();
    for (const activity of this.#waiting) {
      if (!activity.waiting) continue;
      const host = this.#hosts.find(
        (one) =>
          !busy.has(one) &&
          one.polls &&
          (activity.queue === taskQueues.agents(this.queue)
            ? one.hasFreeSlot
            : activity.queue === taskQueues.host(one.id, this.queue)),
      );
      if (host === undefined) still.push(activity);
      else {
        activity.take();
        // One at a time and by appointment: whether there is room for the next shows when this one is settled.
        busy.add(host);
        this.clock.at(this.clock.now(), () => host.serve(activity));
      }
    }
    this.#waiting = still;
  }
}
