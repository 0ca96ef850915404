import { clip, convoyBeadId } from '../../contract/index.js';
import type { ConvoyBeadState, ConvoyState } from '../../contract/index.js';
import { Draft } from '../draft.js';
import { isActive } from './ready.js';

/** From here on reasons are kept short: the state of all beads together has to fit into one payload. */
const manyBeads = 500;

/** A convoy's state while one step works on it: it belongs to that step alone. */
export class ConvoyDraft extends Draft<ConvoyState> {
  bead(id: string): ConvoyBeadState | undefined {
    return this.s.beads.find((bead) => bead.id === id);
  }

  /** @param own the bead's own id. */
  beadOf(own: string): ConvoyBeadState | undefined {
    return this.s.beads.find(({ id }) => convoyBeadId(this.s.convoy, id) === own);
  }

  set(bead: ConvoyBeadState, status: ConvoyBeadState['status'], reason?: string): void {
    bead.status = status;
    if (reason === undefined || reason === '') delete bead.reason;
    else bead.reason = clip(reason, this.s.beads.length > manyBeads ? 200 : 500);
    if (status === 'pending' || isActive(status)) delete bead.endedAt;
    else bead.endedAt = this.now;
  }

  /** From here on nothing starts; it ends when what runs is gone. */
  endAs(as: 'cancelled' | 'failed', reason: string): void {
    const { s } = this;
    // A cancel outranks the policy: whoever cancels wants to read that it was cancelled.
    if (s.ending?.as === 'cancelled' || s.ending?.as === as) return;
    s.ending = { as, reason };
    this.tell(reason);
  }

  end(status: 'landed' | 'failed' | 'cancelled', reason: string): void {
    const { s } = this;
    s.status = status;
    s.reason = clip(reason, 500);
    s.endedAt = this.now;
    delete s.attention;
    this.tell(`${status}: ${reason}`);
  }
}
