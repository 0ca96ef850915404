import type { BeadSummary } from '../../client/list.js';
import { escapedJson } from '../../contract/index.js';
import type { BeadView } from '../../contract/index.js';
import { durationText } from '../../domain/words.js';
import type { Io } from '../io.js';
import { oneLine, paintAgent, paintStatus, table, timeOfDay } from './format.js';
import { doing } from '../../operator/doing.js';
import { progressLine } from './progress.js';

/** A bead as `watch` shows it; without a view no worker answered for it. */
export interface WatchedBead {
  summary: BeadSummary;
  view?: BeadView;
}

/** @returns the live table. */
export function watchTable(
  rows: WatchedBead[],
  more: boolean,
  now: number,
  { colors: c, width }: Pick<Io, 'colors' | 'width'>,
): string {
  const head =
    `${timeOfDay(now)}  ` +
    `${rows.length === 0 ? 'no open beads' : `${rows.length}${more ? ' of more' : ''} open`}  ` +
    c.dim('Ctrl-C leaves');
  if (rows.length === 0) return head;
  const body = table(
    ['BEAD', 'STATUS', 'AGENT', 'ATTEMPT', 'AGE', 'DOING'],
    rows.map(({ summary, view }) => [
      summary.bead,
      paintStatus(view?.status ?? summary.status, c),
      paintAgent(view?.agent ?? summary.agent, c),
      view?.current === undefined ? '-' : String(view.current.number),
      durationText(now - summary.startedAt),
      // A terminal that wraps lines cannot be redrawn neatly.
      oneLine(view === undefined ? 'no worker answers' : doing(view), Math.max(20, width - 70)),
    ]),
    c,
  );
  return `${head}\n${body}`;
}

/**
 * For pipes: a line for each bead that has changed, appeared or gone since the last call.
 * @param shown what was printed last of each bead; updated here.
 */
export function watchLines(rows: WatchedBead[], shown: Map<string, string>, now: number, json: boolean): string[] {
  const lines: string[] = [];
  for (const { summary, view } of rows) {
    const line =
      view === undefined ? `${summary.status}, agent ${summary.agent}: no worker answers` : progressLine(view);
    if (shown.get(summary.bead) === line) continue;
    shown.set(summary.bead, line);
    const status = view?.status ?? summary.status;
    const agent = view?.agent ?? summary.agent;
    lines.push(
      json
        ? escapedJson(
            JSON.stringify({
              at: now,
              bead: summary.bead,
              status,
              agent,
              attempt: view?.current?.number ?? null,
              doing: view === undefined ? null : doing(view),
            }),
          )
        : `${timeOfDay(now)}  ${summary.bead}  ${line}`,
    );
  }
  for (const bead of [...shown.keys()].filter((known) => !rows.some(({ summary }) => summary.bead === known))) {
    shown.delete(bead);
    lines.push(json ? JSON.stringify({ at: now, bead, gone: true }) : `${timeOfDay(now)}  ${bead}  is no longer open`);
  }
  return lines;
}
