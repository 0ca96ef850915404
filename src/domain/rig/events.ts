import type {
  MergeOutcome,
  MergeRequest,
  ProbeProgress,
  ReturnGrant,
  RigChange,
  GrantRequest,
  WithdrawMerge,
} from '../../contract/index.js';

/** Everything that can happen to a rig. Closed union. */
export type RigEvent =
  /** The clock was looked at. */
  | { type: 'tick' }
  /** `full`: there is no room for it (`rigIsFull`); earlier builds took it all the same. */
  | { type: 'asked'; request: GrantRequest; full?: boolean }
  /**
   * `inVain`: its bead was sent ahead and given back by its host (`cameBack`); earlier builds sent another at once.
   * `afterWork`: it was refused by its provider after it had worked, again (`refusedAfterWork`); in earlier builds the
   * work of the next one let all go on.
   */
  | { type: 'returned'; end: ReturnGrant; inVain?: boolean; afterWork?: boolean }
  | { type: 'progressed'; progress: ProbeProgress }
  /** The bead has its `granted`, or is gone. */
  | { type: 'grantTold'; bead: string; delivered: boolean }
  | { type: 'newsTold'; id: number; delivered: boolean }
  /** `full`: likewise (`mergeQueueIsFull`). */
  | { type: 'enqueued'; request: MergeRequest; full?: boolean }
  | { type: 'withdrawn'; withdrawal: Required<WithdrawMerge> }
  | { type: 'mergeStarted'; workflowId: string; sha: string }
  | { type: 'mergeEnded'; workflowId: string; sha: string; outcome: MergeOutcome }
  /** The activity gave up: the infrastructure's failure, which says nothing about the item. */
  | { type: 'mergeBroke'; workflowId: string; sha: string; reason: string }
  /** These workflows have ended; it was asked at `askedAt`, and what began later is another story. */
  | { type: 'looked'; askedAt: number; gone: { workflowId: string; status: string }[] }
  | { type: 'configured'; change: RigChange }
  | { type: 'paused' }
  | { type: 'resumed' }
  | { type: 'removed'; reason: string }
  | { type: 'malformed'; message: string; problem: string }
  | { type: 'renewed' };
