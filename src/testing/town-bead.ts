import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { beadWorkflowId, messages } from '../contract/index.js';
import type { AgentStatus, BeadStatus, BeadView } from '../contract/index.js';
import type { AgentLife } from './agent-census.js';
import type { Duration } from './duration.js';
import type { RunHistory, StatusChange } from './run-history.js';
import type { Fact, Town } from './town.js';

/** What a bead was, from an instant on. */
export interface Status {
  at: number;
  bead: BeadStatus;
  agent: AgentStatus;
}

/** A bead of a town, and what one can say to it. */
export class TownBead {
  readonly #handle: WorkflowHandle;

  constructor(
    private readonly town: Town,
    readonly id: string,
    /** Virtual instant of its sling. */
    readonly slungAt: number,
  ) {
    this.#handle = town.world.client.workflow.getHandle(beadWorkflowId(id));
  }

  /** The answer of its `state` query. */
  state(): Promise<BeadView> {
    return this.#handle.query<BeadView>(messages.state);
  }

  /** All its runs; more than one after it has continued as new. */
  get runs(): readonly RunHistory[] {
    return this.town.world.watch.runs(beadWorkflowId(this.id));
  }

  get ended(): boolean {
    const last = this.runs.at(-1);
    return last?.ended !== undefined && last.ended !== 'continued';
  }

  /** Every status it has ever shown to operators, oldest first: from its search attributes, which it writes at each change. */
  get statuses(): readonly Status[] {
    const changes: StatusChange[] = this.runs.flatMap((run) => run.changes);
    return changes.map(({ at, bead = 'open', agent = 'none' }) => ({ at, bead: bead as BeadStatus, agent: agent as AgentStatus }));
  }

  /** What happened around it. */
  get facts(): readonly Fact[] {
    return this.town.facts.filter(({ bead }) => bead === this.id);
  }

  /** All agent processes that there ever were for it, known to it or not. */
  get agents(): readonly AgentLife[] {
    return this.town.census.of(this.id);
  }

  /** The most agents that ever ran at once for it. */
  get maxAgentsAtOnce(): number {
    return this.town.census.maxRunning(this.id);
  }

  /** Lets time pass until its state is as wanted. */
  async until(what: string, holds: (state: BeadView) => boolean, within: Duration = '1h'): Promise<BeadView> {
    let state = await this.state();
    await this.town.clock.until(`bead ${this.id}: ${what}`, async () => holds((state = await this.state())), within);
    return state;
  }

  /** Lets time pass until its workflow has ended. */
  async untilEnded(within: Duration = '1h'): Promise<BeadView> {
    await this.town.clock.until(`bead ${this.id} ends`, () => this.ended, within);
    return this.state();
  }

  nudge(text: string): Promise<string> {
    return this.#update(messages.nudge, { text });
  }

  retry(options: { now?: boolean } = {}): Promise<string> {
    return this.#update(messages.retry, options);
  }

  pause(): Promise<string> {
    return this.#update(messages.pause, {});
  }

  resume(): Promise<string> {
    return this.#update(messages.resume, {});
  }

  /** Temporal's own cancel. Wait for the end with `untilEnded`. */
  async cancel(): Promise<void> {
    await this.#handle.cancel();
    await this.town.settle();
  }

  /** Sends a signal, as an agent's runner would. */
  async signal(name: string, payload: unknown): Promise<void> {
    await this.town.signal(this.id, name, payload);
    await this.town.settle();
  }

  /** Sends a signal whose payload nobody has encoded: anything that bytes can be. */
  async signalRaw(name: string, payload: { metadata?: Record<string, Uint8Array>; data?: Uint8Array }): Promise<void> {
    const { client, watch } = this.town.world;
    const workflowId = beadWorkflowId(this.id);
    await client.workflowService.signalWorkflowExecution({
      namespace: client.options.namespace, workflowExecution: { workflowId }, signalName: name, input: { payloads: [payload] }, requestId: `raw-${this.town.clock.now()}-${Math.random()}`,
    });
    watch.touch(workflowId);
    await this.town.settle();
  }

  /** Ends it without asking anybody; for the end of a test. */
  async terminate(): Promise<void> {
    try {
      await this.#handle.terminate('the test is over');
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  async #update(name: string, argument: unknown): Promise<string> {
    let answer: { text: string } | undefined;
    let refused: unknown;
    const asked = this.#handle.executeUpdate<{ text: string }, [unknown]>(name, { args: [argument] }).then((given) => (answer = given), (error: unknown) => (refused = error));
    const over = (): boolean => answer !== undefined || refused !== undefined;
    // Most updates answer without a virtual second passing.
    while (!over()) {
      await this.town.settle();
      await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 20))]);
      if (!over()) await this.town.clock.until(`the answer to ${name}`, over, '1m');
    }
    await asked;
    if (refused !== undefined) throw refused;
    await this.town.settle();
    return answer?.text ?? '';
  }
}
