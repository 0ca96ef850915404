import { endProcesses, freezeProcesses, thawProcesses } from './end-processes.js';
import type { AttemptProcesses } from './end-processes.js';
import { Tether } from './tether.js';

/** What a supervisor does to the processes of its attempt. */
export interface ProcessControl {
  /** Lets all of them stand still. Synchronous: a crashing runner does it as its last act. */
  freeze(processes: AttemptProcesses): void;
  /** Lets all of them run again. */
  thaw(processes: AttemptProcesses): void;
  /** Ends all of them; resolves when none is left. @throws Error when some are left all the same. */
  end(processes: AttemptProcesses & { graceMs: number }): Promise<unknown>;
  /** Freezes them when this runner dies. @returns what is released when none of them is left. */
  tether(group: { pgid: number; attempt: string }, onTrouble: (error: Error) => void): { release(): void };
}

/** The processes of this host. */
export const hostProcesses: ProcessControl = {
  freeze: freezeProcesses,
  thaw: thawProcesses,
  end: endProcesses,
  tether: (group, onTrouble) => Tether.attach(group, onTrouble),
};
