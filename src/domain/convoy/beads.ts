import { isFinal } from '../../contract/index.js';
import type { BeadReport, ConvoyBeadState } from '../../contract/index.js';
import { shortSha } from '../words.js';
import type { ConvoyDraft } from './draft.js';
import { isActive, endedUnmerged, readyBeads } from './ready.js';

/** How single beads of a convoy come and go. */
export class BeadRules {
  constructor(private readonly draft: ConvoyDraft) {}

  starting(id: string): void {
    const bead = readyBeads(this.draft.s).find((other) => other.id === id);
    if (bead === undefined) return;
    this.draft.set(bead, 'starting');
    bead.startedAt = this.draft.now;
  }

  started(id: string, report: BeadReport | undefined): void {
    const bead = this.draft.bead(id);
    // A report of its own may have been faster; then it is newer too.
    if (bead?.status !== 'starting') return;
    this.draft.set(bead, 'running');
    this.draft.tell(`${id} started`);
    if (report !== undefined) this.hear(bead, report);
  }

  notStarted(id: string, reason: string): void {
    const bead = this.draft.bead(id);
    if (bead?.status !== 'starting' && bead?.status !== 'pending') return;
    this.draft.set(bead, 'failed', reason);
    delete bead.startedAt;
    this.draft.tell(`${id} could not be started: ${reason}`);
  }

  /**
   * A bead's own word. `merged` is for ever; everything else may turn out better: a failed bead that is slung again
   * runs again.
   */
  hear(bead: ConvoyBeadState, report: BeadReport): void {
    if (bead.status === 'merged' || bead.status === 'pending' || bead.status === 'skipped') {
      this.draft.s.strays += 1;
      return;
    }
    const was = bead.status;
    if (endedUnmerged(bead) && (report.merged || !isFinal(report.status))) this.#unskip();
    bead.bead = report.status;
    if (report.merged && report.sha !== undefined) {
      this.draft.set(bead, 'merged');
      bead.sha = report.sha;
      if (bead.removing === true) this.draft.tell(`${bead.id} was merged before it could be removed: it stays`);
      delete bead.removing;
      return this.draft.tell(`${bead.id} merged as ${shortSha(report.sha)}`);
    }
    switch (report.status) {
      case 'closed':
        this.draft.set(bead, 'failed', `it closed without a merge${report.reason === '' ? '' : `: ${report.reason}`}`);
        break;
      case 'failed':
        this.draft.set(bead, 'failed', report.reason);
        break;
      case 'cancelled':
        this.draft.set(bead, 'cancelled', report.reason);
        break;
      case 'open':
      case 'in_progress':
      case 'in_review':
      case 'blocked':
        this.draft.set(bead, 'running', report.reason);
        if (!isActive(was)) {
          delete bead.cancelTold;
          this.draft.tell(`${bead.id} runs again`);
        }
        break;
    }
    if (bead.status !== 'running' && bead.status !== was)
      this.draft.tell(`${bead.id} ${bead.status}${report.reason === '' ? '' : `: ${report.reason}`}`);
  }

  /**
   * Its workflow has ended, and no word of it came, or it is still on its way: what the bead itself says of its end
   * counts.
   */
  gone(look: { bead: string; status: string; report?: BeadReport }, askedAt: number): void {
    const bead = this.draft.beadOf(look.bead);
    if (bead === undefined || bead.status !== 'running' || (bead.startedAt ?? 0) >= askedAt) return;
    if (look.report !== undefined && (look.report.merged || isFinal(look.report.status)))
      return this.hear(bead, look.report);
    const ended =
      look.status === 'NOT_FOUND'
        ? 'does not exist any more'
        : `has ended (${look.status.toLowerCase().replaceAll('_', ' ')})`;
    delete bead.bead;
    this.draft.set(
      bead,
      look.status === 'CANCELLED' ? 'cancelled' : 'failed',
      `its workflow ${ended} before the bead did`,
    );
    this.draft.tell(`${bead.id} ${bead.status}: ${bead.reason ?? ''}`);
  }

  remove(id: string, release: boolean): void {
    const bead = this.draft.bead(id);
    if (bead === undefined || bead.status === 'merged') return;
    if (release) for (const other of this.draft.s.beads) other.needs = other.needs.filter((need) => need !== id);
    this.draft.tell(`${id} is taken out of the convoy`);
    bead.removing = true;
  }

  /** Once more, as a new workflow. */
  retry(id: string): void {
    const bead = this.draft.bead(id);
    if (bead === undefined || !endedUnmerged(bead)) return;
    this.#unskip();
    this.draft.set(bead, 'pending');
    for (const key of ['bead', 'startedAt', 'cancelTold'] as const) delete bead[key];
    this.draft.tell(`${id} is to be started again`);
  }

  /** There is hope again for those that were skipped; the policy skips once more who still has none. */
  #unskip(): void {
    for (const bead of this.draft.s.beads) if (bead.status === 'skipped') this.draft.set(bead, 'pending');
  }
}
