import type { Clock } from './clock.js';

/** The life of one agent process, whoever believes in it. */
export interface AgentLife {
  bead: string;
  attempt: string;
  host: string;
  spawnedAt: number;
  endedAt?: number;
  /** Stands still (SIGSTOP): alive, but it cannot touch anything. */
  frozen: boolean;
}

/** Counts agent processes over all hosts: what really runs, as nobody in the system can see it. */
export class AgentCensus {
  readonly lives: AgentLife[] = [];
  readonly #maxRunning = new Map<string, number>();

  /** The most agents that ever ran at once, over all beads. */
  maxInAll = 0;

  constructor(private readonly clock: Clock) {}

  spawned(bead: string, attempt: string, host: string): AgentLife {
    const life: AgentLife = { bead, attempt, host, spawnedAt: this.clock.now(), frozen: false };
    this.lives.push(life);
    this.#count(bead);
    return life;
  }

  frozen(life: AgentLife, frozen: boolean): void {
    life.frozen = frozen;
    this.#count(life.bead);
  }

  ended(life: AgentLife): void {
    life.endedAt ??= this.clock.now();
  }

  /** All agents that were ever spawned for a bead. */
  of(bead: string): readonly AgentLife[] {
    return this.lives.filter((life) => life.bead === bead);
  }

  running(bead: string): readonly AgentLife[] {
    return this.of(bead).filter((life) => life.endedAt === undefined && !life.frozen);
  }

  /** The most agents that ever ran at once for a bead: one, or the first promise is broken. */
  maxRunning(bead: string): number {
    return this.#maxRunning.get(bead) ?? 0;
  }

  #count(bead: string): void {
    this.#maxRunning.set(bead, Math.max(this.maxRunning(bead), this.running(bead).length));
    this.maxInAll = Math.max(this.maxInAll, this.lives.filter(({ endedAt }) => endedAt === undefined).length);
  }
}
