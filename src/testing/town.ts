/**
 * A town: one set of task queues with a workflow worker, fake hosts, a remote and beads.
 * @module
 */
import { ApplicationFailure } from '@temporalio/common';
import { pino } from 'pino';
import { createFleetActivities } from '../activities/fleet/index.js';
import {
  convoyWorkflowId,
  messages,
  rigWorkflowId,
  taskQueues,
  workflowTypes,
  beadWorkflowId,
} from '../contract/index.js';
import type {
  AgentSpec,
  BeadInput,
  BeadView,
  Budgets,
  Clocks,
  ConvoySpec,
  ConvoyView,
  FleetActivities,
  LookAtBranchInput,
  RigSettings,
  RigView,
  StartAgentInput,
  StartBeadInput,
  VerifyWorkInput,
} from '../contract/index.js';
import { AgentCensus } from './agent-census.js';
import type { AgentScript } from './agent-script.js';
import { milliseconds } from './duration.js';
import type { Duration } from './duration.js';
import type { TaskInHand } from './task-in-hand.js';
import { FakeHost } from './fake-host.js';
import type { HostContext } from './fake-host.js';
import { FakeRefinery } from './fake-refinery.js';
import { FakeRemote } from './fake-remote.js';
import { TownBead } from './town-bead.js';
import { TownWorkflow } from './town-workflow.js';
import type { VirtualClock } from './virtual-clock.js';
import { WorkflowWorker } from './workflow-worker.js';
import type { World } from './world.js';

export interface TownOptions {
  /** Names of its hosts. Default: one host, `ant`. */
  hosts?: readonly string[];
  /** Agents per host. Default 4. */
  maxAgents?: number;
  clocks?: Partial<Clocks>;
  budgets?: Partial<Budgets>;
  /** What agents do, unless a bead says otherwise. */
  agent?: AgentScript;
  /**
   * Lives by the workflow worker that its world keeps, instead of one of its own: quicker by half a second; one such
   * town at a time. Default false.
   */
  sharedWorker?: boolean;
  /**
   * Distance of the fake runners' beats. Default `beatEvery`; coarser is faster. Must stay below `heartbeatTimeout`.
   */
  beatStep?: Duration;
}

/** What a bead's agents do: one script for all attempts, or one for each (the last for all that follow). */
export type Scripts = AgentScript | readonly [AgentScript, ...AgentScript[]];

export interface SlingOptions extends Partial<
  Pick<BeadInput, 'bead' | 'title' | 'body' | 'base' | 'priority' | 'rig' | 'convoy' | 'clocks' | 'budgets'>
> {
  agent?: Scripts;
}

/** Something that happened in a town, by virtual time. */
export interface Fact {
  at: number;
  bead: string;
  /** `accepted`, `spawn`, `beat`, `signal`, `adoption`, `freeze`, `thaw`, `end`, `reaped` */
  kind: string;
  text: string;
}

export class Town implements HostContext {
  readonly census: AgentCensus;
  readonly remote = new FakeRemote();
  readonly refinery = new FakeRefinery(this.remote);
  readonly facts: Fact[] = [];
  readonly beads: TownBead[] = [];
  readonly fleet: TownWorkflow<unknown>[] = [];
  readonly #hosts: FakeHost[];
  readonly #activities: FleetActivities;
  readonly #scripts = new Map<string, Scripts>();
  #worker: WorkflowWorker | undefined;
  #closed = false;
  onClose: () => Promise<void> = () => Promise.resolve();

  private constructor(
    readonly world: World,
    /** In the ids of its hosts and beads; no other town of its world has it. */
    readonly name: string,
    /** Its main task queue. */
    readonly queue: string,
    private readonly options: TownOptions,
  ) {
    this.census = new AgentCensus(world.clock);
    this.#activities = createFleetActivities({
      client: world.client,
      taskQueue: queue,
      mirrors: '/nowhere',
      logger: pino({ level: 'silent' }),
    });
    this.#hosts = (options.hosts ?? ['ant']).map((id) => new FakeHost(`${id}.${name}`, options.maxAgents ?? 4, this));
  }

  /** Use `world.town()` or `openTown()`. */
  static async found(world: World, name: string, options: TownOptions): Promise<Town> {
    if (options.sharedWorker === true) {
      const { queue } = await world.sharedWorker();
      return new Town(world, name, queue, options).#serve();
    }
    const town = new Town(world, name, name, options);
    town.#worker = await WorkflowWorker.start(world, name);
    return town.#serve();
  }

  get clock(): VirtualClock {
    return this.world.clock;
  }

  /** Lets virtual time pass. */
  advance(duration: Duration): Promise<void> {
    return this.clock.advance(duration);
  }

  /** @throws {Error} when there is no such host. */
  host(name?: string): FakeHost {
    const host =
      name === undefined ? this.#hosts[0] : this.#hosts.find(({ id }) => id === name || id === `${name}.${this.name}`);
    if (host === undefined) throw new Error(`this town has no host ${name ?? ''}`);
    return host;
  }

  /** Starts a bead, and lets everything happen that happens at once. */
  async sling(options: SlingOptions = {}): Promise<TownBead> {
    const { agent, ...given } = options;
    const id = given.bead ?? `${this.name}-bead-${this.beads.length + 1}`;
    if (agent) this.#scripts.set(id, agent);
    const spec: AgentSpec = { adapter: 'demo' };
    const input: BeadInput = {
      title: `bead ${this.beads.length + 1}`,
      repo: '/srv/town.git',
      agent: spec,
      ...given,
      bead: id,
      clocks: { ...this.options.clocks, ...given.clocks },
      budgets: { ...this.options.budgets, ...given.budgets },
    };
    const bead = new TownBead(this, id, this.clock.now());
    await this.#start(workflowTypes.bead, bead.workflowId, input);
    this.beads.push(bead);
    await this.settle();
    return bead;
  }

  /** Adds a rig. Its beads are slung with `rig`, and their agent is the rig's. */
  async rig(name: string, settings: Partial<RigSettings> = {}): Promise<TownWorkflow<RigView>> {
    const rig = new TownWorkflow<RigView>(this, rigWorkflowId(name));
    const whole: RigSettings = {
      repo: '/srv/town.git',
      base: 'main',
      agent: { adapter: 'demo' },
      maxAgents: 5,
      checks: [],
      strategy: 'merge',
      approval: false,
      ...settings,
    };
    await this.#start(workflowTypes.rig, rig.workflowId, { rig: name, settings: whole });
    this.fleet.push(rig);
    await this.settle();
    return rig;
  }

  /**
   * Starts a convoy. Its beads are at hand by `bead(<convoy>-<id>)` as soon as they have been started; `scripts` by the
   * same ids says what their agents do.
   */
  async convoy(
    spec: Pick<ConvoySpec, 'convoy' | 'rig' | 'beads'> & Partial<ConvoySpec>,
    scripts: Record<string, Scripts> = {},
  ): Promise<TownWorkflow<ConvoyView>> {
    for (const [id, script] of Object.entries(scripts)) this.#scripts.set(id, script);
    const convoy = new TownWorkflow<ConvoyView>(this, convoyWorkflowId(spec.convoy));
    await this.#start(workflowTypes.convoy, convoy.workflowId, {
      spec: { title: `convoy ${spec.convoy}`, policy: 'wait', target: 'base', staged: false, ...spec },
    });
    this.fleet.push(convoy);
    await this.settle();
    return convoy;
  }

  /** @throws {Error} when it has not been started. */
  bead(id: string): TownBead {
    const found = this.beads.find((bead) => bead.id === id);
    if (found === undefined) throw new Error(`this town has no bead ${id}`);
    return found;
  }

  async #start(type: string, workflowId: string, input: unknown): Promise<void> {
    const handle = await this.world.client.workflow.start(type, { taskQueue: this.queue, workflowId, args: [input] });
    this.world.watch.watch(handle.workflowId, handle.firstExecutionRunId);
  }

  /** Waits, in real time, until nothing happens any more but by virtual time. */
  async settle(): Promise<void> {
    await this.clock.synchronise();
    await this.world.watch.settle();
  }

  /** Ends worker and beads. Their locks on time are remembered, so that other towns of this world can go on. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Else their runners would go on in the next town's hours.
    for (const host of this.#hosts) host.die();
    try {
      if (this.clock.broken === undefined) await this.#endAll();
    } finally {
      await this.#worker?.stop();
      await this.onClose();
    }
  }

  async #endAll(): Promise<void> {
    for (const workflow of [...this.fleet, ...this.beads]) await workflow.terminate();
    await this.settle();
  }

  // ---- for the hosts

  beatStep(clocks: Clocks): number {
    return this.options.beatStep === undefined ? clocks.beatEvery : milliseconds(this.options.beatStep);
  }

  ask(bead: string): Promise<BeadView> {
    return this.world.client.workflow.getHandle(beadWorkflowId(bead)).query<BeadView>(messages.state);
  }

  signal(bead: string, name: string, payload: unknown): Promise<void> {
    return this.signalWorkflow(beadWorkflowId(bead), name, payload);
  }

  async signalWorkflow(workflowId: string, name: string, payload: unknown): Promise<void> {
    await this.world.client.workflow.getHandle(workflowId).signal(name, payload);
    this.world.watch.touch(workflowId);
  }

  script(input: StartAgentInput): AgentScript {
    const scripts = this.#scripts.get(input.bead) ?? this.options.agent ?? {};
    if (!Array.isArray(scripts)) return scripts as AgentScript;
    const list = scripts as readonly [AgentScript, ...AgentScript[]];
    return list[Math.min(input.number, list.length) - 1] ?? list[0];
  }

  note(bead: string, kind: string, text: string): void {
    this.facts.push({ at: this.clock.now(), bead, kind, text });
  }

  async rest(calls: ReadonlySet<Promise<unknown>>): Promise<void> {
    do {
      await Promise.allSettled(calls);
      // A macrotask: all chains of promises, also those that nobody awaits, have come to rest or to a call by then.
      await new Promise((resolve) => setImmediate(resolve));
    } while (calls.size > 0);
  }

  wake(): void {
    this.world.watch.touch();
  }

  #serve(): this {
    const { desk } = this.world;
    desk.serve(taskQueues.agents(this.queue), () => {
      const host = this.#hosts.find((one) => one.polls && one.hasFreePlace);
      return host && ((task) => host.serve(task));
    });
    for (const host of this.#hosts)
      desk.serve(taskQueues.host(host.id, this.queue), () => (host.polls ? (task) => host.serve(task) : undefined));
    desk.serve(taskQueues.merge(this.queue), () => (task) => this.refinery.serve(task));
    desk.serve(this.queue, () => (task) => this.#serveMain(task));
    return this;
  }

  async #serveMain(task: TaskInHand): Promise<void> {
    if (this.remote.away && (task.type === 'verifyWork' || task.type === 'lookAtBranch')) {
      return task.fail(ApplicationFailure.create({ message: 'the remote is unreachable', type: 'SetupUnreachable' }));
    }
    try {
      await task.complete(await this.#answer(task));
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error;
      await task.fail(error);
    }
  }

  async #answer({ type, input }: TaskInHand): Promise<unknown> {
    const given = input as never;
    switch (type) {
      case 'verifyWork':
        return this.remote.verify(given satisfies VerifyWorkInput);
      case 'lookAtBranch':
        return this.refinery.look(given satisfies LookAtBranchInput);
      case 'lookAtWorkflows':
        return this.#activities.lookAtWorkflows(given);
      case 'readRig':
        return this.#activities.readRig(given);
      case 'startBead':
        return this.#startBead(given);
      default:
        throw ApplicationFailure.nonRetryable(`the main queue has no activity ${type}`);
    }
  }

  async #startBead(input: StartBeadInput): Promise<unknown> {
    const result = await this.#activities.startBead(input);
    const bead = new TownBead(this, input.bead, this.clock.now());
    const { raw } = await this.world.client.workflow.getHandle(bead.workflowId).describe();
    this.world.watch.watch(bead.workflowId, raw.workflowExecutionInfo?.execution?.runId ?? '');
    if (!this.beads.some(({ id }) => id === bead.id)) this.beads.push(bead);
    return result;
  }
}
