import { beadWorkflowId, messages } from '../contract/index.js';
import type { AgentStatus, BeadStatus, BeadView } from '../contract/index.js';
import type { AgentLife } from './agent-census.js';
import type { StatusChange } from './run-history.js';
import type { Fact, Town } from './town.js';
import { TownWorkflow } from './town-workflow.js';

/** What a bead was, from an instant on. */
export interface Status {
  at: number;
  bead: BeadStatus;
  agent: AgentStatus;
}

/** A bead of a town, and what one can say to it. */
export class TownBead extends TownWorkflow<BeadView> {
  constructor(
    town: Town,
    readonly id: string,
    /** Virtual instant of its sling. */
    readonly slungAt: number,
  ) {
    super(town, beadWorkflowId(id));
  }

  /**
   * Every status it has ever shown to operators, oldest first: from its search attributes, which it writes at each
   * change.
   */
  get statuses(): readonly Status[] {
    const changes: StatusChange[] = this.runs.flatMap((run) => run.changes);
    return changes.map(({ at, bead = 'open', agent = 'none' }) => ({
      at,
      bead: bead as BeadStatus,
      agent: agent as AgentStatus,
    }));
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

  nudge(text: string): Promise<string> {
    return this.update(messages.nudge, { text });
  }

  retry(options: { now?: boolean } = {}): Promise<string> {
    return this.update(messages.retry, options);
  }

  pause(): Promise<string> {
    return this.update(messages.pause, {});
  }

  resume(): Promise<string> {
    return this.update(messages.resume, {});
  }

  /** Sends a signal whose payload nobody has encoded: anything that bytes can be. */
  async signalRaw(name: string, payload: { metadata?: Record<string, Uint8Array>; data?: Uint8Array }): Promise<void> {
    const { client, watch } = this.town.world;
    const workflowId = beadWorkflowId(this.id);
    await client.workflowService.signalWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: { workflowId },
      signalName: name,
      input: { payloads: [payload] },
      requestId: `raw-${this.town.clock.now()}-${Math.random()}`,
    });
    watch.touch(workflowId);
    await this.town.settle();
  }
}
