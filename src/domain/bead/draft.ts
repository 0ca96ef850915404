import { clip } from '../../contract/index.js';
import type { BeadState } from '../../contract/index.js';
import { Draft } from '../draft.js';

/** A bead's state while one step works on it: it belongs to that step alone. */
export class BeadDraft extends Draft<BeadState> {
  leaveNote(text: string): void {
    this.s.notes.push(clip(text, 500));
    if (this.s.notes.length > 20) this.s.notes.splice(0, this.s.notes.length - 20);
  }

  block(reason: string, fix: string): void {
    const { s } = this;
    s.wait = { for: 'person', since: this.now, text: clip(reason), fix };
    s.reason = clip(reason);
    s.attention = s.attention === 'escalation' ? 'escalation' : 'blocked';
    this.tell(`blocked: ${reason}`);
  }

  finish(status: 'closed' | 'cancelled' | 'failed', reason: string): void {
    const { s } = this;
    s.status = status;
    s.agent = 'none';
    s.reason = clip(reason);
    delete s.wait;
    delete s.attention;
    delete s.salvage;
    this.tell(`${status}: ${reason}`);
  }

  stray(): void {
    this.s.strays += 1;
  }

  /** A paid attempt has led to no verified work: its rig counts them. */
  fruitless(): void {
    const { landing } = this.s;
    if (landing) landing.fruitless = (landing.fruitless ?? 0) + 1;
  }

  /** Losses count only in a row. Words end no row, since a program that is killed right after its first one says it. */
  workIsSafe(): void {
    if (this.s.lossRule === 'saved') this.s.used.infraLosses = 0;
  }
}
