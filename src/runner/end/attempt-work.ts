import type { Checkpoint } from '../../contract/index.js';
import type { AgentReport, CheckpointAnswer, DoneAnswer, KeptWork } from '../types.js';

/** What hears of a change of an attempt's work. */
export interface WorkEvents {
  /** Puts the agent's report on disk. */
  record(report: AgentReport): Promise<void>;
  /** There is newer work on the remote. */
  changed(checkpoint: Checkpoint): void;
  /** Finished work has to wait for the remote, or has not to any more. */
  kept(work: KeptWork | undefined): Promise<void>;
  trouble(what: string, error: unknown): void;
}

/** The work of an attempt as its supervisor sees it: `WorkKeeper` on a host, by git. */
export interface AttemptWork {
  /** Newest work that is known to be on the remote. */
  readonly checkpoint: Checkpoint | undefined;
  /** Why the newest push failed. */
  readonly pushProblem: string | undefined;
  /** Whether what failed may work later without anybody's help. */
  readonly mayPass: boolean;
  readonly report: AgentReport | undefined;
  /** What the agent has called done, and the remote has not taken; gone as soon as it has. */
  readonly kept: KeptWork | undefined;
  /** Public half of the key by which this runner's word on finished work is known. */
  readonly vouchKey: string;
  /** Whether there is anything to save: a person may have deleted it. */
  hasWorktree(): boolean;
  /** Saves what there is and pushes it; undefined when it could not even be saved here. */
  save(withinMs?: number): Promise<CheckpointAnswer | undefined>;
  /** Escalation or any other report than `done`. */
  reported(report: AgentReport): Promise<void>;
  /** Takes the agent's word that it is done. @throws RequestRefused when it is not, or the branch cannot be pushed. */
  done(summary: string | undefined): Promise<DoneAnswer>;
  /** Pushes once more what was called done; what takes longer is left to its host. */
  pushKept(withinMs: number): Promise<void>;
}
