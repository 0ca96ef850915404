import type { AgentExit } from '../../agents/types.js';
import type { ProcessIdentity } from '../types.js';

/** An agent's own process as its supervisor sees it: `AgentProcess` on a host. */
export interface RunningAgent {
  /** Undefined when it could not be started; `exit` says why. */
  readonly group: (ProcessIdentity & { pgid: number }) | undefined;
  /** Resolves when the agent's own process has ended and its output is read; what it has left behind may still run. */
  readonly exit: Promise<AgentExit>;
  /** Resolves when its log is on disk. Called when no process of the attempt is left. */
  close(): Promise<void>;
}
