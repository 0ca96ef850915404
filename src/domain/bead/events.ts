import type {
  AcceptedSignal,
  AttemptResult,
  BeadChange,
  BeatDetails,
  Evidence,
  HeartbeatSignal,
  Message,
  NoteSignal,
  OfferWorkResult,
} from '../../contract/index.js';
import type { LandingEvent } from './landing.js';

/** Everything that can happen to a bead. Closed union. */
export type BeadEvent =
  | LandingEvent
  /** A new attempt is put into the agents queue. */
  | { type: 'dispatched'; attempt: string }
  /** `byHost`: the host's word alone, which does not move the clock of an attempt that has been spawned. */
  | { type: 'accepted'; signal: AcceptedSignal; byHost?: boolean }
  | { type: 'heartbeat'; signal: HeartbeatSignal }
  | { type: 'note'; note: NoteSignal }
  | { type: 'malformed'; message: string; problem: string }
  /** The clock was looked at. */
  | { type: 'tick' }
  /**
   * The clock was looked at so much later than ordered: the server, or every worker of the bead, was away, and nobody
   * could be heard. `suspected`: the silence that a suspicion rests on belongs to that time.
   */
  | { type: 'outage'; ms: number; suspected?: boolean }
  /**
   * The activity heartbeat of the attempt timed out, with the last details the server had accepted. `unheard`: it had
   * not accepted any. `byHost`: those that it had accepted were the host's and not the attempt's own. `fenced`: the
   * host had sent its runner to the fence, and not one beat of the runner arrived; false: after such a one another has
   * beaten.
   */
  | {
      type: 'silent';
      attempt: string;
      details?: BeatDetails;
      unheard?: boolean;
      byHost?: boolean;
      fenced?: boolean;
    }
  /** The attempt's host took up neither adoption nor stop in time. */
  | { type: 'unreachable'; attempt: string; text: string }
  /**
   * The watching activity ended for another reason than the attempt's end; adoption will tell. `byHost`: an adoption
   * ended so without any sign of the attempt itself. `fenced`: its runner ended at the fence, out of reach of the
   * server.
   */
  | { type: 'unwatched'; attempt: string; text: string; byHost?: boolean; fenced?: boolean }
  /** `startAgent` is scheduled once more for the same attempt, on its host's own queue. */
  | { type: 'adopting'; attempt: string }
  /** Another host holds the attempt. `mayHaveBeaten`: up to now it may have renewed its lease. */
  | { type: 'heldElsewhere'; attempt: string; host: string; mayHaveBeaten?: boolean }
  /**
   * `loginAgain`: a refused login is tried again before a person is asked; earlier versions asked at once. `spaced`:
   * what a host gives back is offered again at growing distance, whatever that host says. `freeOffer`: commits that
   * wait to be pushed cost nothing, so no budget and no pace of paid starts holds them back.
   */
  | { type: 'ended'; result: AttemptResult; loginAgain?: boolean; spaced?: boolean; freeOffer?: boolean }
  | { type: 'evidence'; evidence: Evidence }
  | { type: 'salvaged'; evidence: Evidence | undefined }
  /** The host that keeps finished commits has offered them to the remote again. `freeOffer`: as in `ended`. */
  | { type: 'offered'; answer: OfferWorkResult; freeOffer?: boolean }
  | { type: 'delivered'; attempt: string; messages: string[] }
  | { type: 'pauseTold'; attempt: string; paused: boolean }
  | { type: 'pause' }
  | { type: 'resume' }
  | ({ type: 'retry'; now: boolean } & BeadChange)
  | { type: 'nudge'; message: Message }
  | { type: 'cancel' }
  | { type: 'renewed' };
