import type { CellLimits } from '../../cell/index.js';
import type { RunningAgent } from '../agent/running-agent.js';
import type { StopCause } from '../end/judge-end.js';
import type { Part } from '../part.js';
import type { Cancel, Time } from '../time.js';
import { diskUse, freeMb, overLimit, pidsOf, processUse } from './attempt-limits.js';
import type { AttemptUse } from './attempt-limits.js';

export interface LimitWatchOptions {
  limits: CellLimits;
  attempt: string;
  /** The attempt's folder, with all that its agent may fill. */
  folder: string;
  /** Whether no process of it can leave the others. */
  sandbox: boolean;
  time: Time;
  onOver(cause: StopCause): void;
  trouble(what: string, error: unknown): void;
}

/** Milliseconds: what grows by a gigabyte a second is seen before most hosts are full. */
const lookEvery = 2_000;
/** A walk through a large tree is work for the disk: it may take this part of the time. */
const measureShare = 1 / 20;
/** Milliseconds between two walks while the disk does not fill. */
const measureEvery = 60_000;

/**
 * Ends an attempt that uses more of its host than it may. It looks in intervals, by the means of every Linux: where
 * control groups are handed to users, a launcher of the host's is the harder wall (docs/security.md).
 */
export class LimitWatch implements Part {
  #cancel: Cancel | undefined;
  #agent: RunningAgent | undefined;
  #over = false;
  #measured: { at: number; tookMs: number; diskMb: number; freeMb: number } | undefined;

  constructor(private readonly options: LimitWatchOptions) {}

  spawned(agent: RunningAgent): void {
    // The numbers of processes are read where only Linux has them.
    if (process.platform !== 'linux' || Object.keys(this.options.limits).length === 0) return;
    this.#agent = agent;
    this.#arm();
  }

  answered(agent: RunningAgent): void {
    this.#agent = agent;
  }

  ending(): void {
    this.#over = true;
    this.#cancel?.();
  }

  #arm(): void {
    this.#cancel = this.options.time.timer(lookEvery, () => {
      this.#measure()
        .catch((error: unknown) => this.options.trouble('limits', error))
        .finally(() => {
          if (!this.#over) this.#arm();
        });
    });
  }

  async #measure(): Promise<void> {
    const group = this.#agent?.group;
    const { limits, attempt, sandbox, onOver } = this.options;
    const pids = pidsOf({ attempt, group }, sandbox);
    const use: AttemptUse = { ...processUse(pids, limits.memoryMb), diskMb: await this.#disk() };
    const cause = overLimit(limits, use);
    if (cause === undefined || this.#over) return;
    this.ending();
    onOver(cause);
  }

  /** @returns what is on the disk; measured when so much was written since that it could be too much. */
  async #disk(): Promise<number | undefined> {
    const { limits, folder, time } = this.options;
    if (limits.diskMb === undefined) return undefined;
    const free = await freeMb(folder);
    const now = time.now().mono;
    const last = this.#measured;
    if (last !== undefined) {
      const room = limits.diskMb - last.diskMb;
      const due = now - last.at >= Math.max(measureEvery, last.tookMs / measureShare);
      const filled = last.freeMb - free > room / 2 && now - last.at >= last.tookMs / measureShare;
      if (!due && !filled) return last.diskMb;
    }
    const diskMb = await diskUse(folder);
    if (diskMb === undefined) return undefined;
    const at = time.now().mono;
    this.#measured = { at, tookMs: at - now, diskMb, freeMb: free };
    return diskMb;
  }
}
