import { WorkflowNotFoundError } from '@temporalio/common';
import type {
  BeadInput,
  BeadReport,
  BeadView,
  Clocks,
  StartAgentInput,
  StartBeadInput,
} from '../../../contract/index.js';
import { beadOfWorkflowId, isFinal, taskQueues } from '../../../contract/index.js';
import { errorMessage } from '../../../edge/errors.js';
// Not the whole kit: its index loads the SDK's worker, which no thread of the model needs.
import { AgentCensus } from '../../../testing/agent-census.js';
import { FakeHost } from '../../../testing/fake-host.js';
import { FakeRemote } from '../../../testing/fake-remote.js';
import type { AgentScript, Duration, HostContext } from '../../../testing/index.js';
import { convoyProblem, reportOf, rigInputProblem } from '../../../domain/index.js';
import { Broken } from '../rules.js';
import type { FleetScript } from '../script.js';
import { ModelActivity } from './activity.js';
import type { ActivityOptions } from './activity.js';
import { ModelBead } from './bead.js';
import { ModelClock, nothingDone } from './clock.js';
import { ModelConvoy } from './convoy.js';
import { ModelRefinery } from './refinery.js';
import { ModelRig } from './rig.js';
import type { ModelWorkflow } from './workflow.js';

const repo = '/srv/model.git';
/** From one workflow to another, in milliseconds. */
const signalTakes = 50;

/**
 * A town without a server: the same hosts, runners and agents as in the test kit, beads that are the domain alone, and
 * a model of Temporal between them.
 */
export class ModelTown implements HostContext {
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
  readonly refinery: ModelRefinery;
  /** What a fleet has played; nobody asks for it in a town without one. */
  playedFleet: { rig: ModelRig; rigs: readonly ModelRig[]; convoy: ModelConvoy | undefined } | undefined;
  readonly #hosts: FakeHost[];
  /** The hosts by the queues of their own. */
  readonly #byQueue: ReadonlyMap<string, FakeHost>;
  /** The beads by their ids; of several with one id, the newest. */
  readonly #byId = new Map<string, ModelBead>();
  readonly #scripts = new Map<string, readonly AgentScript[]>();
  #waiting: ModelActivity[] = [];
  /** How many of them wait for one host. */
  #forHosts = 0;
  /** Set while Temporal is away. */
  #held: (() => unknown)[] | undefined;

  constructor(
    private readonly options: {
      hosts: readonly string[];
      maxAgents: number;
      beatStep: number;
      budgets?: BeadInput['budgets'];
      clocks?: Partial<Clocks>;
      seed?: number;
    },
  ) {
    this.clock = new ModelClock(() => {
      // Thrown here, and not where it is found: not everybody there waits for the answer.
      if (this.broken !== undefined) throw this.broken;
      this.#handOut();
    });
    this.census = new AgentCensus(this.clock);
    this.refinery = new ModelRefinery(this, options.seed ?? 0);
    this.#hosts = options.hosts.map((id) => new FakeHost(id, options.maxAgents, this));
    this.#byQueue = new Map(this.#hosts.map((host) => [taskQueues.host(host.id, this.queue), host]));
  }

  /** What Temporal would do now; it does it when it is back. */
  whenThere(run: () => unknown): unknown {
    if (this.#held === undefined) return run();
    this.#held.push(run);
    return nothingDone;
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
    const rigs = this.playedFleet?.rigs ?? [];
    const bead = this.#start({
      bead: id,
      title: id,
      repo,
      agent: { adapter: 'demo' },
      budgets: this.options.budgets,
      clocks: this.options.clocks,
      rig: rigs[this.beads.length % rigs.length]?.state.rig,
    });
    await this.settle();
    return bead;
  }

  /** Adds rigs, among which all beads of this town are shared out from now on, and the convoy of the script. */
  addFleet({ maxAgents, rigs: count = 1, convoy }: FleetScript): void {
    const inputs = Array.from({ length: count }, (_, n) => ({
      rig: n === 0 ? 'model' : `model-${n + 1}`,
      settings: {
        repo,
        base: 'main',
        agent: { adapter: 'demo' },
        maxAgents,
        checks: [],
        strategy: 'merge' as const,
        approval: false,
        budgets: this.options.budgets,
        clocks: this.options.clocks,
      },
    }));
    for (const input of inputs) {
      const problem = rigInputProblem(input);
      if (problem !== undefined) throw new Error(problem);
    }
    const rigs = inputs.map((input) => new ModelRig(this, input));
    const [rig] = rigs;
    if (rig === undefined) throw new Error('a fleet has a rig');
    this.playedFleet = { rig, rigs, convoy: undefined };
    if (convoy === undefined) return;
    const { agents, needs, ...how } = convoy;
    const id = (n: number): string => `c${n + 1}`;
    const spec = {
      convoy: 'model',
      title: 'a convoy',
      rig: rig.state.rig,
      ...how,
      beads: needs.map((of, n) => ({ id: id(n), title: id(n), needs: of.map(id) })),
    };
    const problem = convoyProblem(spec);
    if (problem !== undefined) throw new Error(problem);
    for (const [n, list] of agents.entries()) this.#scripts.set(`model-${id(n)}`, list);
    this.playedFleet.convoy = new ModelConvoy(this, spec);
  }

  get rig(): ModelRig {
    if (this.playedFleet === undefined) throw new Error('this town has no rig');
    return this.playedFleet.rig;
  }

  #start(input: BeadInput): ModelBead {
    const before = this.beads.filter(({ id }) => id === input.bead).length;
    const bead = new ModelBead(this, input.bead, input, before);
    this.beads.push(bead);
    this.#byId.set(bead.id, bead);
    return bead;
  }

  // ---- for rig, convoy and beads

  /** A signal from one workflow to another; `then` hears whether there was one that took it. */
  send(to: string, name: string, payload: unknown, then: (delivered: boolean) => void = () => undefined): void {
    // As it goes over the wire: what is undefined is not there.
    const text = JSON.stringify(payload);
    this.clock.after(signalTakes, () =>
      this.whenThere(() => {
        const found = this.#workflow(to);
        const delivered = found !== undefined && !found.gone;
        if (delivered) found.receive(name, JSON.parse(text));
        then(delivered);
      }),
    );
  }

  lives(workflowId: string): boolean {
    return this.#workflow(workflowId)?.gone === false;
  }

  report(bead: string): BeadReport | undefined {
    return reportOf(this.#bead(bead).life);
  }

  /** `startBead`: one that is there is taken as it stands, one that has ended without a merge is started anew. */
  startBead(input: StartBeadInput): BeadReport | undefined {
    const known = this.#byId.get(input.bead);
    const report = known && reportOf(known.life);
    // One that says its last words has not ended: the convoy will hear of it, and asks again.
    const anew = report === undefined || (known?.gone === true && isFinal(report.status) && !report.merged);
    if (!anew) return report;
    this.#start(input);
    return undefined;
  }

  /** @returns whether there was a bead to be cancelled. */
  cancelBead(id: string): boolean {
    const bead = this.#byId.get(id);
    if (bead === undefined || bead.gone) return false;
    if (!bead.ended) bead.apply({ type: 'cancel' });
    return true;
  }

  /** @returns how many agents of the rig run at this moment, when that is more than it allows. */
  crowdProblem(name: string): string | undefined {
    const rig = this.playedFleet?.rigs.find(({ state }) => state.rig === name);
    if (rig === undefined) return undefined;
    const running = this.census.lives.filter(
      ({ bead, endedAt, frozen }) => endedAt === undefined && !frozen && this.#bead(bead).life.rig === name,
    ).length;
    const { maxAgents } = rig.state.settings;
    return running > maxAgents ? `rig ${name}: ${running} agents run, of ${maxAgents}` : undefined;
  }

  #workflow(workflowId: string): ModelBead | ModelWorkflow | undefined {
    const bead = beadOfWorkflowId(workflowId);
    if (bead !== undefined) return this.#byId.get(bead);
    return [...(this.playedFleet?.rigs ?? []), this.playedFleet?.convoy].find((one) => one?.workflowId === workflowId);
  }

  advance(duration: Duration): Promise<void> {
    return this.clock.advance(duration);
  }

  settle(): Promise<void> {
    // What is due at this very instant belongs to it.
    return this.clock.advance(0);
  }

  mended(): void {
    this.refinery.well = true;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  schedule(options: ActivityOptions, onEnd: ConstructorParameters<typeof ModelActivity>[2]): ModelActivity {
    const activity = new ModelActivity(this, options, onEnd);
    this.#waiting.push(activity);
    if (activity.queue !== taskQueues.agents(this.queue)) this.#forHosts += 1;
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

  failed(error: unknown): void {
    this.broken ??= new Broken(`a runner failed: ${errorMessage(error)}`);
  }

  wake(): void {
    if (this.#waiting.length > 0) this.clock.at(this.clock.now(), () => undefined);
  }

  #bead(id: string): ModelBead {
    const bead = this.#byId.get(id);
    if (bead === undefined) throw new WorkflowNotFoundError('no such workflow', id, undefined);
    return bead;
  }

  /** Every task goes to a host that polls its queue. */
  #handOut(): void {
    if (this.#waiting.length === 0 || this.serverAway) return;
    const still: ModelActivity[] = [];
    const busy = new Set<FakeHost>();
    // Looked at once, and not for each activity: hundreds may wait for hundreds of hosts.
    const free = this.#hosts.filter((one) => one.polls && one.hasFreePlace);
    if (free.length === 0 && this.#forHosts === 0) return;
    const forAgents = taskQueues.agents(this.queue);
    for (const activity of this.#waiting) {
      if (!activity.waiting) continue;
      let host: FakeHost | undefined;
      if (activity.queue === forAgents) {
        host = free.find((one) => !busy.has(one));
      } else {
        const own = this.#byQueue.get(activity.queue);
        if (own?.polls === true && !busy.has(own)) host = own;
      }
      if (host === undefined) still.push(activity);
      else {
        activity.take();
        // One at a time and by appointment: whether there is room for the next shows when this one is settled.
        busy.add(host);
        this.clock.at(this.clock.now(), () => host.serve(activity));
      }
    }
    this.#waiting = still;
    this.#forHosts = still.filter(({ queue }) => queue !== forAgents).length;
  }
}
