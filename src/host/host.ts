import { join } from 'node:path';
import type { Logger } from 'pino';
import type { AttemptResult } from '../contract/index.js';
import { defaultStartsPerHour } from '../domain/rig/stops.js';
import { AttemptDir, reapAttempt } from '../runner/index.js';
import { AgentPlaces } from './agent-places.js';
import { AttemptTurns } from './attempt-turns.js';
import { diskProblem } from './disk-space.js';
import { LivingRunners } from './living-runners.js';

export interface HostOptions {
  /** The state directory, from `openStateDirectory`. */
  home: string;
  hostId: string;
  /** At most so many agents at once. */
  maxAgents: number;
  /** Bytes that must be free before anything new is started. */
  diskFloor: number;
  /** So many paid starts of beads without a rig within an hour may lead to nothing; default 120. */
  startLimit?: number | undefined;
  logger: Logger;
}

/**
 * What a worker knows of its host: the places for agents, who lives in them, and who acts on which attempt at this
 * moment.
 */
export class Host {
  readonly home: string;
  readonly hostId: string;
  readonly diskFloor: number;
  readonly startLimit: number;
  readonly logger: Logger;
  readonly runners: LivingRunners;
  readonly places: AgentPlaces;
  readonly turns = new AttemptTurns();
  /** What is kept for starts to come, and goes when the disk is full. */
  spares: { dropAll(): Promise<boolean> } | undefined;

  constructor(options: HostOptions) {
    this.home = options.home;
    this.hostId = options.hostId;
    this.diskFloor = options.diskFloor;
    this.startLimit = options.startLimit ?? defaultStartsPerHour;
    this.logger = options.logger.child({ host: options.hostId });
    this.runners = new LivingRunners(options.home);
    this.places = new AgentPlaces({ max: options.maxAgents, living: () => this.runners.count });
  }

  /** The folder of the mirrors. */
  get mirrors(): string {
    return join(this.home, 'mirrors');
  }

  /** @returns why nothing new is started for want of room on the disk; undefined when there is room. */
  async noRoom(): Promise<string | undefined> {
    const look = (): Promise<string | undefined> => diskProblem(this.home, this.diskFloor);
    const problem = await look();
    return problem !== undefined && (await this.spares?.dropAll()) === true ? look() : problem;
  }

  /** @returns the attempt's folder on this host; it need not exist. */
  attemptDir({ bead, attempt }: { bead: string; attempt: string }): AttemptDir {
    return AttemptDir.of(this.home, bead, attempt);
  }

  /**
   * Ends what a dead runner has left behind and frees its place. The caller holds the attempt's turn.
   * @throws Error when processes of the attempt cannot be ended; it keeps its place then.
   */
  async reap(dir: AttemptDir, reason: string): Promise<AttemptResult> {
    const result = await reapAttempt(dir, reason);
    this.logger.warn(
      { bead: dir.bead, attempt: dir.attempt, outcome: result.outcome, reason: result.reason },
      'a dead runner was reaped',
    );
    this.free(dir);
    return result;
  }

  /** The attempt is over, and no process of it is left: its place goes to the next one. */
  free(dir: AttemptDir): void {
    this.runners.forget(dir);
    this.places.wake();
  }
}
