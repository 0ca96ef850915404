import type { BeadReport, ConvoyBead, MergeEnded, RigFacts } from '../../contract/index.js';

/** Everything that can happen to a convoy. Closed union. */
export type ConvoyEvent =
  | { type: 'tick' }
  | { type: 'start' }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'cancel' }
  /** `began`: where the integration branch was made. */
  | { type: 'prepared'; facts: RigFacts; began?: string }
  | { type: 'notPrepared'; reason: string }
  /** Its start is ordered now; refused (nothing changes) when it may not start any more. */
  | { type: 'starting'; id: string }
  /** It is there; `report` when it was there before. */
  | { type: 'started'; id: string; report?: BeadReport }
  | { type: 'notStarted'; id: string; reason: string }
  | { type: 'report'; report: BeadReport }
  /** These beads' workflows have ended; it was asked at `askedAt`. */
  | { type: 'looked'; askedAt: number; gone: { bead: string; status: string; report?: BeadReport }[] }
  | { type: 'cancelTold'; id: string }
  | { type: 'addBead'; bead: ConvoyBead }
  | { type: 'removeBead'; id: string; release: boolean }
  | { type: 'retryBead'; id: string }
  | { type: 'landingQueued'; sha: string }
  | { type: 'withdrawTold' }
  /** What was to be said to the rig about the landing has not reached it, and is said again later if need be. */
  | { type: 'rigNotTold' }
  | { type: 'mergeEnded'; ended: MergeEnded }
  | { type: 'landingStuck'; reason: string }
  | { type: 'landingVerified' }
  | { type: 'malformed'; message: string; problem: string }
  | { type: 'renewed' };
