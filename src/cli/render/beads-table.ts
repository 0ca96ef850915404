import type { Colors } from 'picocolors/types.js';
import type { BeadSummary } from '../../client/list.js';
import { durationText } from '../../domain/words.js';
import { oneLine, paintAgent, paintStatus, table } from './format.js';

/** @returns the list of beads as text. */
export function beadsTable(beads: BeadSummary[], now: number, c: Colors): string {
  return table(
    ['BEAD', 'STATUS', 'AGENT', 'AGE', 'ATTENTION', 'TITLE'],
    beads.map((bead) => [
      bead.bead,
      paintStatus(bead.status, c),
      `${paintAgent(bead.agent, c)}${bead.cell === 'none' ? c.yellow(' (no sandbox)') : ''}`,
      bead.closedAt === undefined
        ? durationText(now - bead.startedAt)
        : `took ${durationText(bead.closedAt - bead.startedAt)}`,
      bead.attention === undefined ? c.dim('-') : c.yellow(oneLine(bead.attention, 30)),
      bead.sealedWith === undefined
        ? oneLine(bead.title, 60)
        : c.dim(`encrypted with key ${oneLine(bead.sealedWith, 40)}`),
    ]),
    c,
  );
}
