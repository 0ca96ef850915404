import type { Colors } from 'picocolors/types.js';
import { rowOf } from './lane.js';
import type { Lane, Row } from './lane.js';

const minute = 60_000;
/** More lines than that nobody reads: then a line stands for several minutes. */
const mostLines = 90;

const widths = { bead: 16, agent: 10, attempt: 7, heartbeats: 6 };

/** @returns how long a line stands for: a minute, or as many as keep the table readable. */
export const stepOf = (duration: number): number => Math.ceil(duration / minute / mostLines) * minute;

/**
 * @returns both lanes side by side, a line a minute, for a terminal of 100 columns; without colours it is plain text.
 */
export function raceTable(left: Lane, right: Lane, duration: number, colors: Colors): string[] {
  const step = stepOf(duration);
  const title = (lane: Lane): string => colors.bold(lane.name.padEnd(sideWidth));
  const heads = colors.dim(
    `${'bead'.padEnd(widths.bead)}${'agent'.padEnd(widths.agent)}${'attempt'.padStart(widths.attempt)}` +
      'beats'.padStart(widths.heartbeats),
  );
  const lines = [
    `${' '.repeat(6)}  ${title(left)}   ${title(right)}`.trimEnd(),
    `${colors.dim('minute')}  ${heads}   ${heads}`,
  ];
  for (let from = 0; from < duration; from += step) {
    const to = Math.min(from + step, duration);
    lines.push(
      `${String(from / minute).padStart(6)}  ${side(rowOf(left, from, to), colors)}   ` +
        side(rowOf(right, from, to), colors),
    );
  }
  return lines;
}

const sideWidth = widths.bead + widths.agent + widths.attempt + widths.heartbeats;

function side(row: Row, colors: Colors): string {
  const bead = row.reset ? 'reset to open' : row.bead;
  // Dead by the books, alive in truth: that is the bug.
  const wrong = row.process === 'alive' && row.agent === 'idle';
  const paint = row.reset ? colors.red : row.bead === 'open' ? colors.yellow : (text: string) => text;
  const paintAgent = wrong
    ? colors.red
    : row.agent === 'working'
      ? colors.green
      : row.agent === 'starting'
        ? colors.cyan
        : (text: string) => text;
  return [
    paint(bead.padEnd(widths.bead)),
    paintAgent(row.agent.padEnd(widths.agent)),
    String(row.attempt).padStart(widths.attempt),
    String(row.heartbeats).padStart(widths.heartbeats),
  ].join('');
}
