import type { RunningAgent } from '../agent/running-agent.js';
import type { Part } from '../part.js';
import type { ProcessControl } from './process-control.js';

/** Ties the agent to the life of its runner, as long as any process of the attempt is left. */
export class AgentTether implements Part {
  #tether: { release(): void } | undefined;

  constructor(
    private readonly control: ProcessControl,
    private readonly attempt: string,
    private readonly onTrouble: (error: Error) => void,
  ) {}

  spawned({ group }: RunningAgent): void {
    if (group === undefined) return;
    this.#tether = this.control.tether({ pgid: group.pgid, attempt: this.attempt }, this.onTrouble);
  }

  answered(agent: RunningAgent): void {
    this.#tether?.release();
    this.#tether = undefined;
    this.spawned(agent);
  }

  ended(): void {
    this.#tether?.release();
  }
}
